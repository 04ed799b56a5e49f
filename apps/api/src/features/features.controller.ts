import { QuaysideError, encodeTimestamp, parseModelReference } from '@app/core';
import { FeatureQuery, type InspectedFeature, type InspectedRow } from '@app/feature-store';
import { ModelRegistry } from '@app/model-registry';
import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { TakesLargeBody } from '../http/body.guard';
import { type Call, CurrentCall } from '../http/call';
import { Operation } from '../openapi/operation';
import { FeatureQueryRequest, FeatureQueryResponse, INCLUDABLE, QueriedFeature, QueriedRow } from './feature-query.dto';

type Includable = (typeof INCLUDABLE)[number];

/** What is stored, as it would be seen now. */
@Controller('v1/features')
export class FeaturesController {
  constructor(
    private readonly query: FeatureQuery,
    private readonly registry: ModelRegistry,
  ) {}

  /** Features by name, or what a model would see. */
  @Post('query')
  @HttpCode(200)
  @TakesLargeBody()
  @Operation('queryFeatures')
  async find(@Body() body: FeatureQueryRequest, @CurrentCall() call: Call): Promise<FeatureQueryResponse> {
    const { features, model, rows, include = INCLUDABLE } = body;
    if ((features === undefined) === (model === undefined)) throw eitherOr();
    const told = new Set<Includable>(include);
    if (model === undefined) {
      const found = await this.query.features(features ?? [], rows, call.context);
      return { rows: found.map((row) => toRow(row, told)), model: null, model_version: null };
    }
    const version = this.registry.resolve(parseModelReference(model));
    const found = await this.query.model(version, rows, call.context);
    return { rows: found.map((row) => toRow(row, told)), model: version.model, model_version: version.version };
  }
}

function toRow({ entityKeys, features }: InspectedRow, told: ReadonlySet<Includable>): QueriedRow {
  return { entity_keys: entityKeys, features: features.map((feature) => toFeature(feature, told)) };
}

function toFeature(found: InspectedFeature, told: ReadonlySet<Includable>): QueriedFeature {
  const { name, value, status, reason = null, refusal = null, source, eventTsUs, view = null, feature = null } = found;
  return {
    name,
    value,
    ...(told.has('status') && { status, reason, refusal }),
    ...(told.has('source') && { source }),
    ...(told.has('event_ts') && { event_ts: eventTsUs === undefined ? null : encodeTimestamp(eventTsUs) }),
    ...(told.has('view') && { view, feature }),
  };
}

function eitherOr(): QuaysideError {
  const message = 'Send either "features" or "model".';
  return new QuaysideError('invalid_request', message, {
    details: [{ field: 'features', code: 'either_features_or_model', message }],
  });
}
