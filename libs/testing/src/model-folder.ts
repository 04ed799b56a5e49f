import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodeOnnx } from './onnx-model';
import type { TinyModel } from './tiny-models';

/** Where a model goes, and what goes there. */
export interface ModelToWrite {
  readonly name: string;
  /** Default `1`. */
  readonly version?: string;
  readonly model: TinyModel;
  /** Text of the version's `model.yaml`; default none. */
  readonly manifest?: string;
}

/**
 * Writes a model into a models folder as `<name>/<version>/model.onnx` with the files beside it, and gives the version's
 * folder. `model.onnx` gets its name last, so that a watcher never sees a half-written version.
 */
export async function writeModel(
  directory: string,
  { name, version = '1', model, manifest }: ModelToWrite,
): Promise<string> {
  const folder = join(directory, name, version);
  await mkdir(folder, { recursive: true });
  for (const [path, content] of Object.entries(model.files ?? {})) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), toBytes(content));
  }
  if (manifest !== undefined) await writeFile(join(folder, 'model.yaml'), manifest);
  await writeFile(join(folder, '.model.onnx.part'), encodeOnnx(model.onnx));
  await rename(join(folder, '.model.onnx.part'), join(folder, 'model.onnx'));
  return folder;
}

function toBytes(content: object | string | Uint8Array): string | Uint8Array {
  if (typeof content === 'string' || ArrayBuffer.isView(content)) return content as string | Uint8Array;
  return JSON.stringify(content);
}
