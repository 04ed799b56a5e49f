export { ModelRegistry, VERSION_STATES, shownVersion } from './model-registry';
export type {
  ModelStatus,
  ServingCheck,
  ServingStep,
  VersionReport,
  VersionState,
  VersionStatus,
} from './model-registry';
export { versionKey } from './model-version';
export { TASKS } from './task-name';
export type { TaskName } from './task-name';
export type { ModelFiles, ModelVersion, OnnxMetadata, TextSettings } from './model-version';
export type {
  ColumnSettings,
  FieldRule,
  InputOptions,
  LogPayload,
  LogSettings,
  Manifest,
  VersionPolicy,
} from './manifest';
export { FolderModelRegistry } from './folder-model-registry';
export type { FolderModelRegistryOptions } from './folder-model-registry';
export { ModelTable } from './model-table';
export type { ModelTableOptions } from './model-table';
export type { ModelSettings } from './served-model';
export type { FoundVersion, VersionMove } from './version-entry';
export { ModelRegistryModule } from './model-registry.module';
export type { ModelRegistryOptions } from './model-registry.module';
export { DEFAULT_MANIFEST } from './manifest-schema';
