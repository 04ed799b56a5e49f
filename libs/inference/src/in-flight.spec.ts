import { InFlight } from './in-flight';

describe(InFlight.name, () => {
  it('says at once that nothing is under way', async () => {
    await expect(new InFlight().whenIdle('iris')).resolves.toBeUndefined();
  });

  it('waits for the last call, and counts each call once however often it leaves', async () => {
    const inFlight = new InFlight();
    const first = inFlight.enter('iris');
    const second = inFlight.enter('iris');
    let free = false;
    const idle = inFlight.whenIdle('iris').then(() => (free = true));
    first();
    first();
    await Promise.resolve();
    expect(free).toBe(false);
    second();
    await idle;
    expect(free).toBe(true);
  });

  it('tells keys apart, and which of them it has', async () => {
    const inFlight = new InFlight();
    const leave = inFlight.enter('iris');
    await expect(inFlight.whenIdle('wine')).resolves.toBeUndefined();
    expect([inFlight.has('iris'), inFlight.has('wine')]).toEqual([true, false]);
    leave();
    expect(inFlight.has('iris')).toBe(false);
  });
});
