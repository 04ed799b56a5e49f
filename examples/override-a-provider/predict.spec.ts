import 'reflect-metadata';
import { parseConfig } from '@app/config';
import { Executor } from '@app/inference';
import { FakeExecutor, type TestApp, createTestApp, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { AppModule } from '../../apps/api/src/app.module';
import { appParts } from '../../apps/api/src/bootstrap';

describe('an application that predicts', () => {
  let executor: FakeExecutor;
  let app: TestApp;

  beforeEach(async () => {
    const models = await temporaryDirectory();
    await writeModel(models, { name: 'price', model: tiny.regressorTiny() });
    const config = parseConfig({
      DATABASE_URL: 'none',
      MODEL_DIR: models,
      DATA_DIR: await temporaryDirectory(),
      LOG_LEVEL: 'silent',
    });
    executor = new FakeExecutor();
    app = await createTestApp(AppModule.forRoot(config), {
      ...appParts(config),
      override: (module) => module.overrideProvider(Executor).useValue(executor),
    });
  });

  afterEach(() => app.close());

  const predict = (inputs: object) =>
    fetch(`${app.url}/v1/models/price/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs }),
    });

  it('answers what the executor answers, without a model ever running', async () => {
    executor.answer(() => ({
      price: { dtype: 'FP32', shape: [1, 1], bytes: new Uint8Array(Float32Array.of(250).buffer) },
    }));
    const response = await predict({ rooms: [[4]], area: [[100]] });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ outputs: { price: [[250]] } });
  });

  it('says overloaded and when to come back when the executor has no room', async () => {
    executor.fail('model_capacity');
    const response = await predict({ rooms: [[4]], area: [[100]] });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).not.toBeNull();
  });
});
