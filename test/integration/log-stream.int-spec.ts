import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { LogStream } from '@app/observability';
import { eventually, temporaryDirectory } from '@app/testing';

const LINE = `${'x'.repeat(999)}\n`;

describe(LogStream.name, () => {
  let folder: string;
  let descriptor: number;

  beforeEach(async () => {
    folder = await temporaryDirectory();
  });

  afterEach(() => closeSync(descriptor));

  it('writes small amounts when it is flushed', async () => {
    const path = join(folder, 'log');
    descriptor = openSync(path, 'w');
    const stream = new LogStream({ descriptor });
    stream.write('one\n');
    expect(readFileSync(path, 'utf8')).toBe('');
    await stream.flush(5000);
    expect(readFileSync(path, 'utf8')).toBe('one\n');
    stream.write('two\n');
    stream.flushSync();
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
  });

  it('drops and counts what a reader does not take, holds up nobody, and goes on when it reads again', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    const stream = new LogStream({ descriptor, maxUnwrittenBytes: 100_000 });
    const told: number[] = [];
    stream.whenResumed((count) => told.push(count));
    for (let index = 0; index < 500; index += 1) stream.write(LINE);
    await eventually(() => stream.droppedLines > 300);
    await stream.flush(1);
    stream.flushSync();
    await eventually(() => drainPipe(descriptor).includes('x'));
    const before = stream.droppedLines;
    stream.write('back again\n');
    const flushed = stream.flush(10_000);
    await eventually(() => drainPipe(descriptor).includes('back again'));
    await flushed;
    expect(stream.droppedLines).toBe(before);
    expect(told).toEqual([before]);
  });

  it('keeps every line whole when several write to one pipe, and it is often full', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    const streams = ['a', 'b', 'c'].map((letter) => ({ stream: new LogStream({ descriptor }), letter }));
    for (let index = 0; index < 300; index += 1) {
      for (const { stream, letter } of streams) stream.write(`${letter.repeat(100 + index)}.\n`);
    }
    const flushed = Promise.all(streams.map(({ stream }) => stream.flush(15_000)));
    let read = '';
    await eventually(() => (read += drainPipe(descriptor, 7000)).split('\n').length > 900);
    await flushed;
    expect(read.split('\n').filter((line) => !/^(a+|b+|c+)\.$/.test(line))).toEqual(['']);
  });
});

function drainPipe(descriptor: number, mostBytes = 1_000_000): string {
  const buffer = Buffer.alloc(mostBytes);
  try {
    return buffer.toString('utf8', 0, readSync(descriptor, buffer));
  } catch {
    return '';
  }
}
