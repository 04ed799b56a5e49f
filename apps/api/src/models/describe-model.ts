import type { TensorSpec } from '@app/core';
import type { ModelStatus, VersionStatus } from '@app/model-registry';
import type { ModelDescription, ModelVersionDescription, TensorDescription } from './models.dto';

/** A model as clients see it; `shown` is the version whose task, state and signature stand for it. */
export function describeModel(id: string, status: ModelStatus, shown: VersionStatus | undefined): ModelDescription {
  return {
    id,
    object: 'model',
    created: Math.floor(status.createdAtMs / 1000),
    owned_by: 'quayside',
    description: shown?.details?.manifest.description ?? '',
    task: shown?.details?.task ?? null,
    task_reason: shown?.details?.taskReason ?? '',
    state: shown?.state ?? 'known',
    reason: shown?.reason ?? '',
    versions: status.versions.map(describeVersion),
    labels: status.labels,
    default_version: status.defaultVersion ?? null,
    inputs: (shown?.details?.signature.inputs ?? []).map(describeTensor),
    outputs: (shown?.details?.signature.outputs ?? []).map(describeTensor),
  };
}

function describeVersion({ version, state, reason, served, nextTrialAtMs }: VersionStatus): ModelVersionDescription {
  const trial = nextTrialAtMs === undefined ? {} : { next_trial_at: Math.ceil(nextTrialAtMs / 1000) };
  return { version, state, reason, served, ...trial };
}

function describeTensor({ name, dtype, shape }: TensorSpec): TensorDescription {
  return { name, datatype: dtype, shape: shape.map((size) => (typeof size === 'number' ? size : -1)) };
}
