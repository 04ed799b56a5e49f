import { InferenceService } from '@app/inference';
import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { type Call, CurrentCall } from '../http/call';
import { Operation } from '../openapi/operation';
import { PredictRequest, PredictResponse } from './predict.dto';

/** Classes for one text, in the smallest request and answer that can hold them. */
@Controller()
export class PredictController {
  constructor(private readonly inference: InferenceService) {}

  /** The best classes of one text. */
  @Post('predict')
  @HttpCode(200)
  @Operation('predict')
  async predict(@Body() body: PredictRequest, @CurrentCall() call: Call): Promise<PredictResponse> {
    const { text, model_id, top_k, temperature } = body;
    const prediction = await this.inference.predict({
      model: model_id,
      task: 'text-classification',
      input: { form: 'rows', rows: [{ text }] },
      options: { top_k, temperature },
      context: call.context,
      door: 'predict',
      onVersion: call.goesTo,
    });
    const [row] = prediction.rows as unknown as [Pick<PredictResponse, 'predictions'>];
    const latency_ms = call.answered(prediction);
    return { predictions: row.predictions, latency_ms, model_version: prediction.version.version };
  }
}
