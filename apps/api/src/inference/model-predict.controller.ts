import { InferenceService, type PredictInput, type Prediction } from '@app/inference';
import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { TakesLargeBody } from '../http/body.guard';
import { type Call, CurrentCall } from '../http/call';
import { Operation } from '../openapi/operation';
import { ModelPredictBodyPipe } from './model-predict-body.pipe';
import { RowsRequest, RowsResponse, TensorsRequest, TensorsResponse } from './model-predict.dto';

/** Any model, in plain JSON. */
@Controller('v1/models/:model')
export class ModelPredictController {
  constructor(private readonly inference: InferenceService) {}

  /** Rows give rows, tensors give tensors. */
  @Post('predict')
  @HttpCode(200)
  @Operation('predictModel')
  @TakesLargeBody()
  async predict(
    @Param('model') model: string,
    @Body(ModelPredictBodyPipe) body: RowsRequest | TensorsRequest,
    @CurrentCall() call: Call,
  ): Promise<RowsResponse | TensorsResponse> {
    const { cache, ...options } = body.options ?? {};
    const prediction = await this.inference.predict({
      model,
      input: inputOf(body),
      options,
      ...(cache !== undefined && { cache }),
      context: call.context,
      door: 'model-predict',
      onVersion: call.goesTo,
    });
    const { version } = prediction;
    const latency_ms = call.answered(prediction);
    return { ...answerOf(prediction), model: version.model, model_version: version.version, latency_ms };
  }
}

function inputOf(body: RowsRequest | TensorsRequest): PredictInput {
  if ('rows' in body) return { form: 'rows', rows: body.rows };
  return { form: 'tensors', inputs: body.inputs, ...(body.outputs && { outputs: body.outputs }) };
}

function answerOf({ rows, outputs }: Prediction): Pick<RowsResponse, 'rows'> | Pick<TensorsResponse, 'outputs'> {
  return rows ? { rows } : { outputs: outputs ?? {} };
}
