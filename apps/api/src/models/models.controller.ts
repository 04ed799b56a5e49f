import { QuaysideError, parseModelReference } from '@app/core';
import { InferenceService, InferenceStatistics } from '@app/inference';
import { ModelRegistry, type ModelStatus, type VersionStatus, shownVersion } from '@app/model-registry';
import { Controller, Get, Param } from '@nestjs/common';
import { Operation } from '../openapi/operation';
import { ThisProcess } from '../this-process';
import { describeModel } from './describe-model';
import { describeStatistics } from './describe-statistics';
import { ModelDetail } from './model-statistics.dto';
import { ModelList, ModelSchemaResponse } from './models.dto';

/** Which models there are, and what each takes and gives. */
@Controller('v1/models')
export class ModelsController {
  constructor(
    private readonly registry: ModelRegistry,
    private readonly inference: InferenceService,
    private readonly statistics: InferenceStatistics,
    private readonly thisProcess: ThisProcess,
  ) {}

  /** Every model, in order of its name. */
  @Get()
  @Operation('listModels')
  list(): ModelList {
    const data = this.registry.list().map((status) => describeModel(status.model, status, shownVersion(status)));
    return { object: 'list', data };
  }

  /** One model, also one that failed to load, and how it fares in this process. */
  @Get(':model')
  @Operation('describeModel')
  describe(@Param('model') id: string): ModelDetail {
    const { model, version } = parseModelReference(id);
    const status = this.registry.status(model);
    const shown = version === undefined ? shownVersion(status) : named(status, version);
    const statistics = describeStatistics(this.statistics.of(model), this.thisProcess.number);
    return { ...describeModel(id, status, shown), statistics };
  }

  /** JSON Schemas for the generic predict route. */
  @Get(':model/schema')
  @Operation('describeModelSchema')
  schema(@Param('model') id: string): ModelSchemaResponse {
    const { version, schema } = this.inference.schema(id);
    return { model: version.model, model_version: version.version, task: version.task, schemas: schema };
  }
}

function named({ model, versions, labels }: ModelStatus, name: string): VersionStatus {
  const meant = Object.hasOwn(labels, name) ? labels[name] : name;
  const status = versions.find(({ version }) => version === meant);
  if (status) return status;
  const known = versions.map(({ version }) => version).join(', ');
  throw new QuaysideError('model_version_not_found', `Model "${model}" has no such version or label. It has: ${known}.`);
}
