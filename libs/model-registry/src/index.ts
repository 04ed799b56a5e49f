export { ModelRegistry, VERSION_STATES } from './model-registry';
export type {
  ModelStatus,
  ServingCheck,
  ServingStep,
  VersionReport,
  VersionState,
  VersionStatus,
} from './model-registry';
export { TASKS, versionKey } from './model-version';
export type { ModelFiles, ModelVersion, OnnxMetadata, TaskName, TextSettings } from './model-version';
export type { ColumnSettings, InputOptions, Manifest, VersionPolicy } from './manifest';
