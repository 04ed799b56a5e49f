import type { ErrorCode } from '@app/core';
import { FeatureQueryRequest, FeatureQueryResponse } from '../features/feature-query.dto';
import {
  ErasedEntity,
  FeatureViewDescription,
  FeatureViewList,
  FeatureViewVersionDescription,
  PushRowsRequest,
  PushRowsResponse,
} from '../features/feature-views.dto';
import { ProbeResponse } from '../health/health.dto';
import { EmbedRequest, EmbedResponse } from '../inference/embed.dto';
import { RowsRequest, RowsResponse, TensorsRequest, TensorsResponse } from '../inference/model-predict.dto';
import { PredictRequest, PredictResponse } from '../inference/predict.dto';
import { ModelDetail } from '../models/model-statistics.dto';
import { ModelList, ModelSchemaResponse } from '../models/models.dto';
import {
  ErasedPredictions,
  LoggedPrediction,
  LoggedPredictionList,
  PredictionLogSummary,
} from '../predictions/predictions.dto';
import { ServerDescription } from './about.dto';
import { ADMIN_OPERATIONS } from './admin-operations';
import { EXAMPLES } from './examples';
import { FEATURE_EXAMPLES } from './feature-examples';
import { JOB_OPERATIONS } from './job-operations';
import { ANY, BODY, type OperationText } from './operation-text';
import { PREDICTION_EXAMPLES } from './prediction-examples';

/** What a prediction can end in, whatever the task. */
const PREDICTION = [
  'invalid_input',
  'model_not_found',
  // Also without a version: none of the model's versions may be one that serves unasked.
  'model_version_not_found',
  'model_not_ready',
  'model_unavailable',
  'model_capacity',
  'overloaded',
  'deadline_exceeded',
  'executor_crashed',
  'input_quarantined',
  'inference_failed',
  'non_finite_output',
] as const satisfies readonly ErrorCode[];

/** What looking up stored features can end in. */
const FEATURES = [
  'feature_missing',
  'feature_stale',
  'feature_cast',
  'features_unavailable',
] as const satisfies readonly ErrorCode[];

const PROBE_ERRORS = [...ANY, 'not_ready'] as const satisfies readonly ErrorCode[];

/** Every operation of the server by its id. Ids are final: generated clients name their methods after them. */
export const OPERATIONS = {
  predict: {
    tag: 'inference',
    summary: 'Classify a text',
    description:
      'The best classes of one text. Takes models of the task `text-classification`, in their default version; for other ' +
      'models, versions and options there is `POST /v1/models/{model}/predict`.',
    body: [PredictRequest],
    answers: 'The best classes, with exactly these three keys.',
    answer: [PredictResponse],
    isInference: true,
    examples: EXAMPLES.predict,
    errors: [...ANY, ...BODY, ...PREDICTION, 'task_mismatch'],
  },
  embed: {
    tag: 'inference',
    summary: 'Turn texts into vectors',
    description: 'One vector per text, in order. Takes models of the task `embedding`.',
    body: [EmbedRequest],
    answers: 'The vectors.',
    answer: [EmbedResponse],
    isInference: true,
    examples: EXAMPLES.embed,
    errors: [...ANY, ...BODY, ...PREDICTION, 'task_mismatch', 'unsupported_option', 'context_length_exceeded'],
  },
  predictModel: {
    tag: 'inference',
    summary: 'Run any model',
    description:
      'Any model, in plain JSON: `rows` of named fields, or whole `inputs` by name. What a model takes and gives is told by ' +
      '`GET /v1/models/{model}/schema`. Where it looks up stored features, a row has the keys of its entities, and a column ' +
      'that is stored only if the model lets a request give it. Numbers come back as they are: 64-bit integers beyond ' +
      '2^53 - 1, NaN and infinities travel as strings.',
    body: [RowsRequest, TensorsRequest],
    answers: 'The outputs, in the form of the request.',
    answer: [RowsResponse, TensorsResponse],
    isInference: true,
    examples: EXAMPLES.predictModel,
    errors: [...ANY, ...BODY, ...PREDICTION, ...FEATURES, 'unsupported_option', 'context_length_exceeded'],
  },
  listPredictions: {
    tag: 'predictions',
    summary: 'List logged predictions',
    description:
      'Instances of logged predictions, the newest first, without what they were given and gave. With `next_cursor` as ' +
      '`cursor` the next page begins where this one ends, whatever came in the meantime.',
    answers: 'A page of the list.',
    answer: [LoggedPredictionList],
    examples: PREDICTION_EXAMPLES.listPredictions,
    errors: [...ANY, 'database_unavailable'],
  },
  describePrediction: {
    tag: 'predictions',
    summary: 'Get a logged prediction',
    description:
      'One prediction with its whole lineage: the version that answered, what it was given of each column and where that ' +
      'came from, what it answered, and what that cost. It can be read within a second of its answer.',
    answers: 'The prediction, all of its instances.',
    answer: [LoggedPrediction],
    examples: PREDICTION_EXAMPLES.describePrediction,
    errors: [...ANY, 'prediction_not_found', 'database_unavailable'],
  },
  erasePrediction: {
    tag: 'predictions',
    summary: 'Erase a logged prediction',
    description: 'Removes all rows of one prediction. Only while the server listens on loopback.',
    answers: 'It is gone.',
    answer: [ErasedPredictions],
    examples: PREDICTION_EXAMPLES.erasePrediction,
    errors: [...ANY, 'prediction_not_found', 'database_unavailable'],
  },
  erasePredictionsOfEntity: {
    tag: 'predictions',
    summary: 'Erase the logged predictions of an entity',
    description:
      'Removes every row that stored features of this entity were wanted for, where the log kept its key. Rows that wait to be ' +
      'written come within a second: ask again until nothing is erased. Only while the server listens on loopback.',
    answers: 'They are gone.',
    answer: [ErasedPredictions],
    examples: PREDICTION_EXAMPLES.erasePredictionsOfEntity,
    errors: [...ANY, 'feature_view_not_found', 'invalid_input', 'database_unavailable'],
  },
  describePredictionLog: {
    tag: 'predictions',
    summary: 'Tell how the prediction log fares',
    description: 'What became of the rows of all predictions of the HTTP process that answered, and what waits.',
    answers: 'Its books.',
    answer: [PredictionLogSummary],
    examples: PREDICTION_EXAMPLES.describePredictionLog,
    errors: [...ANY],
  },
  ...JOB_OPERATIONS,
  ...ADMIN_OPERATIONS,
  queryFeatures: {
    tag: 'features',
    summary: 'Look at stored features',
    description:
      'What is stored of entities now, or what a model would see of them: each value with what was found, where it comes ' +
      'from and when it was true. Nothing is predicted or logged. A read that does not come in time gives no status, and ' +
      'says so in `reason`.',
    body: [FeatureQueryRequest],
    answers: 'A row per row, in order.',
    answer: [FeatureQueryResponse],
    examples: FEATURE_EXAMPLES.queryFeatures,
    errors: [
      ...ANY,
      ...BODY,
      'invalid_input',
      'feature_view_not_found',
      'feature_view_version_not_found',
      'model_not_found',
      'model_version_not_found',
      'model_load_failed',
      'model_not_ready',
      'model_unavailable',
      'features_unavailable',
      'database_unavailable',
    ],
  },
  listFeatureViews: {
    tag: 'features',
    summary: 'List the feature views',
    description: 'Every view that is declared, with its versions, the models that pin them, and what is stored.',
    answers: 'The views.',
    answer: [FeatureViewList],
    examples: FEATURE_EXAMPLES.listFeatureViews,
    errors: [...ANY, 'database_unavailable'],
  },
  describeFeatureView: {
    tag: 'features',
    summary: 'Describe a feature view',
    description: 'One view with its versions, the models that pin them, and what is stored.',
    answers: 'The view.',
    answer: [FeatureViewDescription],
    examples: FEATURE_EXAMPLES.describeFeatureView,
    errors: [...ANY, 'feature_view_not_found', 'database_unavailable'],
  },
  describeFeatureViewVersion: {
    tag: 'features',
    summary: 'Describe a version of a feature view',
    description: 'The schema of one version: features with types, defaults and policies, and the models that pin it.',
    answers: 'The version.',
    answer: [FeatureViewVersionDescription],
    examples: FEATURE_EXAMPLES.describeFeatureViewVersion,
    errors: [...ANY, 'feature_view_not_found', 'feature_view_version_not_found', 'database_unavailable'],
  },
  pushFeatureRows: {
    tag: 'features',
    summary: 'Push rows into a feature view',
    description:
      'Writes rows in one transaction. A row replaces what is stored of its entity, unless that is newer; every row is kept ' +
      'in the history.',
    body: [PushRowsRequest],
    answers: 'What became of the rows.',
    answer: [PushRowsResponse],
    examples: FEATURE_EXAMPLES.pushFeatureRows,
    errors: [
      ...ANY,
      ...BODY,
      'invalid_input',
      'feature_view_not_found',
      'overloaded',
      'features_unavailable',
      'database_unavailable',
    ],
  },
  eraseFeatureEntity: {
    tag: 'features',
    summary: 'Erase what is stored of an entity',
    description:
      'Removes the row of one entity and its whole history. What was predicted for it stays in the log until ' +
      '`DELETE /v1/predictions?view=…&key=…` or its retention. Only while the server listens on loopback.',
    answers: 'It is gone.',
    answer: [ErasedEntity],
    examples: FEATURE_EXAMPLES.eraseFeatureEntity,
    errors: [...ANY, 'invalid_input', 'feature_view_not_found', 'features_unavailable', 'database_unavailable'],
  },
  listModels: {
    tag: 'models',
    summary: 'List the models',
    description: 'Every model, in order of its name, with its versions and what it takes and gives.',
    answers: 'The models.',
    answer: [ModelList],
    examples: EXAMPLES.listModels,
    errors: [...ANY],
  },
  describeModel: {
    tag: 'models',
    summary: 'Describe a model',
    description:
      'One model, also one that failed to load; `name@version` describes that version. `statistics` says how the model ' +
      'fares now: what waits and how long it waited, how rows run together, what executors took, what the cache did. It ' +
      'is that of the HTTP process that answered, and `process` says which one that is.',
    answers: 'The model.',
    answer: [ModelDetail],
    examples: EXAMPLES.describeModel,
    errors: [...ANY, 'model_not_found', 'model_version_not_found', 'model_not_ready'],
  },
  describeModelSchema: {
    tag: 'models',
    summary: 'Tell what a model takes and gives',
    description: 'JSON Schemas for the parts of `POST /v1/models/{model}/predict`. The model need not be loaded.',
    answers: 'The schemas.',
    answer: [ModelSchemaResponse],
    examples: EXAMPLES.describeModelSchema,
    errors: [...ANY, 'model_not_found', 'model_version_not_found', 'model_not_ready', 'model_unavailable'],
  },
  health: {
    tag: 'health',
    summary: 'Must the process be restarted?',
    description: 'Answers 200 as long as the process can answer at all, whatever the state of models and executors.',
    answers: 'It must not.',
    answer: [ProbeResponse],
    examples: EXAMPLES.probe,
    errors: [...ANY],
  },
  startup: {
    tag: 'health',
    summary: 'Has it come up?',
    description: 'Answers 200 once every pinned model has been ready, and from then on.',
    answers: 'It has.',
    answer: [ProbeResponse],
    examples: EXAMPLES.probe,
    unavailable: ProbeResponse,
    errors: PROBE_ERRORS,
  },
  ready: {
    tag: 'health',
    summary: 'May it get traffic?',
    description:
      'Answers 200 while every pinned model is loaded and warm, an executor is healthy and no stop was asked for.',
    answers: 'It may.',
    answer: [ProbeResponse],
    examples: EXAMPLES.probe,
    unavailable: ProbeResponse,
    errors: PROBE_ERRORS,
  },
  describeServer: {
    tag: 'about',
    summary: 'Tell where things are',
    description: 'Name and version of the server, and the paths to start from.',
    answers: 'Where things are.',
    answer: [ServerDescription],
    examples: EXAMPLES.describeServer,
    errors: [...ANY],
  },
  describeApi: {
    tag: 'about',
    summary: 'Get this document',
    description: 'This document. Loading a model does not change it; `GET /docs` shows it.',
    answers: 'An OpenAPI 3.0.3 document.',
    answer: [],
    examples: {},
    errors: [...ANY],
  },
} as const satisfies Record<string, OperationText>;

/** Id of an operation. */
export type OperationId = keyof typeof OPERATIONS;
