import type { ModelVersion } from '@app/model-registry';
import { InFlight } from './in-flight';

const iris = { model: 'iris', version: '1', digest: 'a'.repeat(64) } as ModelVersion;

describe(InFlight.name, () => {
  it('says at once that a version without calls is free', async () => {
    await expect(new InFlight().whenIdle(iris)).resolves.toBeUndefined();
  });

  it('waits for the last call, and counts each call once however often it leaves', async () => {
    const inFlight = new InFlight();
    const first = inFlight.enter(iris);
    const second = inFlight.enter(iris);
    let free = false;
    const idle = inFlight.whenIdle(iris).then(() => (free = true));
    first();
    first();
    await Promise.resolve();
    expect(free).toBe(false);
    second();
    await idle;
    expect(free).toBe(true);
  });

  it('tells versions of equal name and other contents apart', async () => {
    const inFlight = new InFlight();
    inFlight.enter(iris);
    await expect(inFlight.whenIdle({ ...iris, digest: 'b'.repeat(64) })).resolves.toBeUndefined();
  });
});
