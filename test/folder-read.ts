import { isQuaysideError, parseModelReference } from '@app/core';
import { ModelRegistry } from '@app/model-registry';
import { eventually } from '@app/testing';
import type { INestApplication } from '@nestjs/common';

/** Resolves once the models folder was read. The start waits for that, but not for as long as a busy machine may take. */
export async function folderRead(app: INestApplication): Promise<void> {
  const registry = app.get(ModelRegistry, { strict: false });
  await eventually(() => !isStillReading(registry));
}

function isStillReading(registry: ModelRegistry): boolean {
  try {
    registry.resolve(parseModelReference('nobody'));
    return false;
  } catch (error) {
    return isQuaysideError(error) && error.code === 'model_not_ready';
  }
}
