import { LogQueue } from './log-queue';
import { type LogRow } from './log-row';

const row = (bytes: number, failed = false): LogRow => ({ line: Buffer.from('\n'), createdAtMs: 0, bytes, failed });

describe(LogQueue.name, () => {
  it('refuses the newest beyond its rows, of which the last tenth is for failed calls', () => {
    const queue = new LogQueue({ rows: 10, bytes: 1000 });
    const answers = Array.from({ length: 10 }, () => queue.offer(row(1), 0));
    expect(answers).toEqual([true, true, true, true, true, true, true, true, true, false]);
    expect([queue.isFull({ failed: false }), queue.isFull({ failed: true })]).toEqual([true, false]);
    expect([queue.offer(row(1, true), 0), queue.offer(row(1, true), 0)]).toEqual([true, false]);
    expect(queue.rows).toBe(10);
  });

  it('refuses what is beyond its bytes', () => {
    const queue = new LogQueue({ rows: 1000, bytes: 100 });
    expect([queue.offer(row(80), 0), queue.offer(row(15), 0), queue.offer(row(15, true), 0)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(queue.bytes).toBe(95);
  });

  it('gives the oldest first, in batches of so many rows and bytes, and keeps them until they are settled', () => {
    const queue = new LogQueue({ rows: 1000, bytes: 1000 });
    [10, 20, 30, 40].forEach((bytes, at) => queue.offer(row(bytes), at));
    const first = queue.head({ rows: 3, bytes: 35 });
    expect(first.map(({ bytes }) => bytes)).toEqual([10, 20]);
    expect([queue.rows, queue.oldestSinceMs]).toEqual([4, 0]);
    queue.settle(2);
    expect([queue.rows, queue.bytes, queue.oldestSinceMs]).toEqual([2, 70, 2]);
    expect(queue.head({ rows: 1, bytes: 1000 }).map(({ bytes }) => bytes)).toEqual([30]);
    expect(queue.head({ rows: 10, bytes: 1 }).map(({ bytes }) => bytes)).toEqual([30]);
  });
});
