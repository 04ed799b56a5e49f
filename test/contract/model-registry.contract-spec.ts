import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FolderModelRegistry, ModelRegistry } from '@app/model-registry';
import { FakeModelRegistry, ManualClock, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { type RegistryBench, itBehavesLikeAModelRegistry } from './model-registry.contract';

describe(ModelRegistry.name, () => {
  describe(FolderModelRegistry.name, () => itBehavesLikeAModelRegistry(openFolder));
  describe(FakeModelRegistry.name, () => itBehavesLikeAModelRegistry(openFake));
});

async function openFolder(): Promise<RegistryBench> {
  const clock = new ManualClock();
  const directory = await temporaryDirectory();
  const registry = new FolderModelRegistry({ directory, pollIntervalMs: 0, clock });
  let started = false;
  const changed = async (): Promise<void> => void (started && (await registry.refresh()));
  return {
    registry,
    clock,
    start: async () => {
      started = true;
      await registry.start();
    },
    put: async ({ model, version, content = 1 }) => {
      await writeModel(directory, { name: model, version, model: tiny.adds(content) });
      await changed();
    },
    putUnreadable: async ({ model, version }) => {
      await mkdir(join(directory, model, version), { recursive: true });
      await writeFile(join(directory, model, version, 'model.onnx'), 'not a model');
      await changed();
    },
    remove: async (model, version) => {
      await rm(join(directory, model, version), { recursive: true });
      await changed();
    },
    configure: async (model, { policy, labels, pinned }) => {
      const manifest = JSON.stringify({ versions: policy, labels, pinned });
      await writeFile(join(directory, model, 'model.yaml'), manifest);
      await changed();
    },
    close: () => registry.close(),
  };
}

async function openFake(): Promise<RegistryBench> {
  const clock = new ManualClock();
  const registry = new FakeModelRegistry(clock);
  return {
    registry,
    clock,
    // A fake has no folder to read: what is put in is there.
    start: async () => undefined,
    put: async ({ model, version, content = 1 }) => void registry.add({ model, version, content: String(content) }),
    putUnreadable: async (version) => registry.addUnreadable({ ...version, reason: 'It cannot be read.' }),
    remove: async (model, version) => registry.remove(model, version),
    configure: async (model, settings) => registry.configure(model, settings),
    close: () => registry.close(),
  };
}
