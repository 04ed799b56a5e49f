export { encodeOnnx, floats, int64s } from './onnx-model';
export type {
  OnnxAttribute,
  OnnxDtype,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxType,
  OnnxValue,
} from './onnx-model';
export * as tiny from './tiny-models';
export type { TinyModel } from './tiny-models';
export { TINY_MAX_TOKENS, TINY_VOCABULARY } from './tiny-tokenizer';
export { writeModel } from './model-folder';
export type { ModelToWrite } from './model-folder';
export { ManualClock } from './manual-clock';
export { eventually } from './eventually';
export { opened, temporaryDirectory } from './open-resources';
export { createTestApp } from './create-test-app';
export type { TestApp, TestAppOptions } from './create-test-app';
export { FakeModelRegistry, aModelVersion } from './fake-model-registry';
export type { VersionToMake } from './fake-model-registry';
export { FakeExecutor, echo } from './fake-executor';
export type { FakeAnswer } from './fake-executor';
export { testDatabase } from './test-database';
export type { TestDatabase, TestDatabaseOptions } from './test-database';
export { inTimeZone } from './time-zone';
export { versionIn } from './version-in';
export type { VersionChanges } from './version-in';
export { ScriptedSession, TEXT_INPUTS, tensorSpec, textSession } from './scripted-session';
export { FakeFeatureReader, FakeFeatureRows, FakeFeatureViewStore, featureViews } from './fake-feature-rows';
export { aBoundVersion } from './bound-version';
export type { ColumnToMake } from './bound-version';
export { RecordingPredictionSink, aPredictionRecord } from './recording-prediction-sink';
export type { RecordToMake } from './recording-prediction-sink';
export { FakeFeatureStore } from './fake-feature-store';
export type { JoinRow } from './fake-feature-store';
export { InMemoryBlobStore } from './in-memory-blob-store';
export { flattened, inPieces } from './byte-pieces';
