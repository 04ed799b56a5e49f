import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { type DtoClass, DtoValidators } from './validators';

/** Checks every `@Body()` by its DTO class. Bodies of more than one form use a pipe of their own (`ModelPredictBodyPipe`). */
@Injectable()
export class DtoValidationPipe implements PipeTransform {
  constructor(private readonly validators: DtoValidators) {}

  /** Throws invalid_request. */
  transform(value: unknown, { type, metatype }: ArgumentMetadata): unknown {
    if (type !== 'body' || metatype === undefined || metatype === Object) return value;
    return this.validators.check(metatype as DtoClass<object>, value);
  }
}
