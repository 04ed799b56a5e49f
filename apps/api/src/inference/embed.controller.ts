import { InferenceService } from '@app/inference';
import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { TakesLargeBody } from '../http/body.guard';
import { type Call, CurrentCall } from '../http/call';
import { Operation } from '../openapi/operation';
import { EmbedRequest, EmbedResponse } from './embed.dto';

/** Texts to vectors. */
@Controller()
export class EmbedController {
  constructor(private readonly inference: InferenceService) {}

  /** One vector per text, in order. */
  @Post('embed')
  @HttpCode(200)
  @Operation('embed')
  @TakesLargeBody()
  async embed(@Body() body: EmbedRequest, @CurrentCall() call: Call): Promise<EmbedResponse> {
    const { text, model_id, normalize, truncate, dimensions } = body;
    const prediction = await this.inference.predict({
      model: model_id,
      task: 'embedding',
      input: { form: 'rows', rows: [text].flat().map((each) => ({ text: each })) },
      options: { normalize, truncate, dimensions },
      context: call.context,
      door: 'embed',
      onVersion: call.goesTo,
    });
    const rows = prediction.rows as readonly { readonly embedding: readonly number[] }[];
    const embeddings = rows.map(({ embedding }) => embedding);
    return {
      embeddings,
      dimensions: embeddings[0]?.length ?? 0,
      usage: prediction.usage ?? { tokens: 0, truncated: 0 },
      latency_ms: call.answered(prediction),
      model_version: prediction.version.version,
    };
  }
}
