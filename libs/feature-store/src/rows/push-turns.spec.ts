import { PushTurns } from './push-turns';

function held(): { readonly work: () => Promise<string>; readonly release: (name: string) => void } {
  const { promise, resolve } = Promise.withResolvers<string>();
  return { work: () => promise, release: resolve };
}

describe(PushTurns.name, () => {
  it('runs four at once, and the others in their order', async () => {
    const turns = new PushTurns();
    const begun: number[] = [];
    const pushes = Array.from({ length: 6 }, held);
    const done = pushes.map(({ work }, at) =>
      turns.take(() => {
        begun.push(at);
        return work();
      }),
    );
    expect(begun).toEqual([0, 1, 2, 3]);
    pushes[2]?.release('third');
    expect(await done[2]).toBe('third');
    expect(begun).toEqual([0, 1, 2, 3, 4]);
    for (const { release } of pushes) release('other');
    await Promise.all(done);
    expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('goes on after a failure', async () => {
    const turns = new PushTurns();
    const failing = Array.from({ length: 8 }, () => turns.take(() => Promise.reject(new Error('no'))));
    expect((await Promise.allSettled(failing)).every(({ status }) => status === 'rejected')).toBe(true);
    expect(await turns.take(() => Promise.resolve(1))).toBe(1);
  });

  it('refuses with overloaded when too many wait', async () => {
    const turns = new PushTurns();
    const pushes = Array.from({ length: 260 }, held);
    const done = pushes.map(({ work }) => turns.take(work));
    await expect(turns.take(() => Promise.resolve())).rejects.toMatchObject({ code: 'overloaded' });
    for (const { release } of pushes) release('');
    await Promise.all(done);
  });
});
