import { QuaysideError } from '@app/core';
import { ManualClock } from '@app/testing';
import { JobWatch } from './job-watch';

function watched() {
  const clock = new ManualClock();
  const versions = new Map([
    ['a', 1],
    ['b', 1],
  ]);
  const asked: (readonly string[])[] = [];
  let fault: Error | undefined;
  const watch = new JobWatch(
    {
      versionsOf: (ids) => {
        asked.push([...ids].sort());
        return fault ? Promise.reject(fault) : Promise.resolve(new Map(versions));
      },
    },
    clock,
  );
  const client = new AbortController();
  const settled: string[] = [];
  const wait = (name: string, id: string, timeoutMs = 10_000) =>
    watch.whenNews({ id, version: 1, timeoutMs, signal: client.signal }).then(
      () => settled.push(name),
      (error: QuaysideError) => settled.push(`${name} ${error.code}`),
    );
  return { clock, versions, asked, watch, client, settled, wait, fail: (error: Error) => (fault = error) };
}

describe(JobWatch.name, () => {
  it('asks once a second for all who wait, each job once', async () => {
    const { clock, asked, wait } = watched();
    void wait('one', 'a');
    void wait('two', 'b');
    void wait('three', 'b');
    await clock.advance(3000);
    expect(asked).toEqual([['a'], ['a', 'b'], ['a', 'b'], ['a', 'b']]);
  });

  it('wakes those whose job has another version, or is gone, and no others', async () => {
    const { clock, versions, settled, wait } = watched();
    void wait('one', 'a');
    void wait('two', 'b');
    versions.set('a', 2);
    await clock.advance(1000);
    expect(settled).toEqual(['one']);
    versions.delete('b');
    await clock.advance(1000);
    expect(settled).toEqual(['one', 'two']);
  });

  it('asks nothing once nobody waits, and begins again when somebody does', async () => {
    const { clock, asked, settled, wait } = watched();
    void wait('one', 'a', 1500);
    await clock.advance(5000);
    expect(settled).toEqual(['one']);
    expect(asked).toHaveLength(2);
    void wait('two', 'a', 10);
    await clock.advance(5000);
    expect(asked).toHaveLength(3);
  });

  it('tells all who wait that the database is not there', async () => {
    const { clock, settled, wait, fail } = watched();
    void wait('one', 'a');
    void wait('two', 'b');
    fail(new QuaysideError('database_unavailable', 'No.'));
    await clock.advance(1000);
    expect(settled).toEqual(['one database_unavailable', 'two database_unavailable']);
  });

  it('lets go of those who leave', async () => {
    const { clock, asked, client, settled, wait } = watched();
    void wait('one', 'a');
    await clock.advance(0);
    client.abort();
    void wait('two', 'a');
    await clock.advance(5000);
    expect(settled).toEqual(['two client_closed', 'one client_closed']);
    expect(asked).toHaveLength(1);
  });

  it('lets nobody wait once it is closed', async () => {
    const { clock, watch, settled, wait } = watched();
    void wait('one', 'a');
    await clock.advance(0);
    watch.close();
    void wait('two', 'a');
    await clock.advance(0);
    expect([...settled].sort()).toEqual(['one', 'two']);
  });
});
