import { QuaysideError } from '@app/core';
import { FeatureViews, parseEntityKey } from '@app/feature-store';
import { LoggingPredictionSink, PredictionHistory } from '@app/prediction-log';
import { Controller, Delete, Get, Param, Query, UseGuards, applyDecorators } from '@nestjs/common';
import { ApiParam, ApiQuery } from '@nestjs/swagger';
import { LoopbackOnlyGuard } from '../http/loopback-only.guard';
import { Operation } from '../openapi/operation';
import { ThisProcess } from '../this-process';
import { describeItem, describeLog, describePrediction } from './describe-prediction';
import { LIST_PARAMETERS, readEntityQuery, readListQuery, toCursor } from './list-query';
import { ErasedPredictions, LoggedPrediction, LoggedPredictionList, PredictionLogSummary } from './predictions.dto';

const PredictionId = (): MethodDecorator =>
  ApiParam({
    name: 'id',
    description: 'The prediction, as in `X-Prediction-ID`.',
    example: '0198c2f1-7c3a-7d52-9a41-5f0e4a6b2c11',
  });

const ENTITY_KEY =
  'The join key of the entity; of several the JSON array of their values, in the order of their names.';

const ListParameters = (): MethodDecorator =>
  applyDecorators(
    ...Object.entries(LIST_PARAMETERS).map(([name, text]) => ApiQuery({ name, required: false, ...text })),
  );

/** What was asked and answered. */
@Controller('v1')
export class PredictionsController {
  constructor(
    private readonly history: PredictionHistory,
    private readonly log: LoggingPredictionSink,
    private readonly views: FeatureViews,
    private readonly thisProcess: ThisProcess,
  ) {}

  /** Instances, the newest first. */
  @Get('predictions')
  @ListParameters()
  @Operation('listPredictions')
  async list(@Query() query: Readonly<Record<string, unknown>>): Promise<LoggedPredictionList> {
    const wanted = readListQuery(query);
    const found = await this.history.list({ ...wanted, limit: wanted.limit + 1 });
    const page = found.slice(0, wanted.limit);
    const last = page.at(-1);
    const next_cursor = last && found.length > page.length ? toCursor(last) : null;
    return { object: 'list', data: page.map(describeItem), next_cursor };
  }

  /** One prediction with its lineage. */
  @Get('predictions/:id')
  @PredictionId()
  @Operation('describePrediction')
  async describe(@Param('id') id: string): Promise<LoggedPrediction> {
    const [first, ...others] = await this.history.find(id);
    if (!first) throw notFound();
    return describePrediction([first, ...others]);
  }

  /** Removes one prediction from the log. */
  @Delete('predictions/:id')
  @PredictionId()
  @UseGuards(LoopbackOnlyGuard)
  @Operation('erasePrediction')
  async erase(@Param('id') id: string): Promise<ErasedPredictions> {
    const erased = await this.history.erase(id);
    if (erased === 0) throw notFound();
    return { erased };
  }

  /** Removes what was predicted with stored features of an entity. */
  @Delete('predictions')
  @ApiQuery({
    name: 'view',
    description: 'The feature view.',
    schema: { type: 'string' },
    example: 'applicant_profile',
  })
  @ApiQuery({ name: 'key', description: ENTITY_KEY, schema: { type: 'string' }, example: 'a-1001' })
  @UseGuards(LoopbackOnlyGuard)
  @Operation('erasePredictionsOfEntity')
  async eraseOfEntity(@Query() query: Readonly<Record<string, unknown>>): Promise<ErasedPredictions> {
    const { view, key } = readEntityQuery(query);
    const { name, entities } = this.views.known(view);
    return { erased: await this.history.eraseEntity({ view: name, key: parseEntityKey({ entities }, key) }) };
  }

  /** How the log fares in this process. */
  @Get('prediction-log')
  @Operation('describePredictionLog')
  describeLog(): PredictionLogSummary {
    return describeLog(this.thisProcess.number, this.log.statistics());
  }
}

function notFound(): QuaysideError {
  return new QuaysideError('prediction_not_found', 'No prediction with this id is in the log.');
}
