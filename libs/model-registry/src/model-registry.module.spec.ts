import { Clock, Drain } from '@app/core';
import { FakeModelRegistry, ManualClock, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { Global, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { ModelRegistry } from './model-registry';
import { ModelRegistryModule } from './model-registry.module';

const clock = new ManualClock();
const drain = new Drain(clock);

@Global()
@Module({
  providers: [
    { provide: Clock, useValue: clock },
    { provide: Drain, useValue: drain },
  ],
  exports: [Clock, Drain],
})
class ProcessModule {}

const compile = (directory: string) =>
  Test.createTestingModule({
    imports: [ProcessModule, ModelRegistryModule.forRoot({ directory, pollIntervalMs: 2000 })],
  });

describe(ModelRegistryModule.name, () => {
  let app: TestingModule | undefined;

  afterEach(() => app?.close());

  it('reads the folder when the application starts, without waiting for loads, and stops with the drain', async () => {
    const directory = await temporaryDirectory();
    await writeModel(directory, { name: 'a', model: tiny.add(), manifest: 'pinned: true' });
    app = await compile(directory).compile();
    const registry = app.get(ModelRegistry);
    registry.beforeServing('load', () => new Promise(() => undefined));
    app.useLogger(false);
    await app.init();
    expect(registry.list()).toMatchObject([{ model: 'a', pinned: true, versions: [{ state: 'probing' }] }]);
    expect(clock.pending).toBe(1);
    await drain.run({ 'stop-taking': 1000, finish: 1000, flush: 1000, close: 1000 });
    expect(clock.pending).toBe(0);
  });

  it('reads no folder when a test brings its own registry', async () => {
    const fake = new FakeModelRegistry();
    fake.add({ model: 'echo' });
    app = await compile('does not exist').overrideProvider(ModelRegistry).useValue(fake).compile();
    await app.init();
    expect(app.get(ModelRegistry).list()).toMatchObject([{ model: 'echo' }]);
  });
});
