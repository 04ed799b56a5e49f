import { Injectable, type PipeTransform } from '@nestjs/common';
import { DtoValidators } from '../http/validators';
import { RowsRequest, TensorsRequest } from './model-predict.dto';

/** The two forms of the generic body; whether `inputs` or `outputs` is there decides which one is meant. */
@Injectable()
export class ModelPredictBodyPipe implements PipeTransform<unknown, RowsRequest | TensorsRequest> {
  constructor(private readonly validators: DtoValidators) {}

  /** Throws invalid_request. */
  transform(body: unknown): RowsRequest | TensorsRequest {
    const isTensors = typeof body === 'object' && body !== null && ('inputs' in body || 'outputs' in body);
    return isTensors ? this.validators.check(TensorsRequest, body) : this.validators.check(RowsRequest, body);
  }
}
