import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { type DtoClass, DtoValidators } from './validators';

/**
 * Checks every `@Body()` and `@Query()` by its DTO class. Bodies of more than one form use a pipe of their own
 * (`ModelPredictBodyPipe`).
 */
@Injectable()
export class DtoValidationPipe implements PipeTransform {
  constructor(private readonly validators: DtoValidators) {}

  /** Throws invalid_request. */
  transform(value: unknown, { type, metatype, data }: ArgumentMetadata): unknown {
    if (metatype === undefined || metatype === Object || data !== undefined) return value;
    const dto = metatype as DtoClass<object>;
    if (type === 'query') return this.validators.checkQuery(dto, value as Readonly<Record<string, unknown>>);
    return type === 'body' ? this.validators.check(dto, value) : value;
  }
}
