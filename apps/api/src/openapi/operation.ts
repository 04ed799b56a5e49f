import { ApiOperation } from '@nestjs/swagger';
import type { OperationId } from './operations';

/** Ties a controller's method to its entry in `operations.ts`, from which the document takes all that it says of it. */
export function Operation(id: OperationId): MethodDecorator {
  return ApiOperation({ operationId: id });
}
