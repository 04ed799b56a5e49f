import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { ManualClock } from '@app/testing';
import { uploadedBytes } from './upload';

/** A body that a test writes, read with a patience of a second. */
function uploading() {
  const clock = new ManualClock();
  const request = new PassThrough();
  const progress: number[] = [];
  const bytes = uploadedBytes(request as unknown as IncomingMessage, {
    clock,
    silenceMs: 1000,
    onProgress: (count) => progress.push(count),
  });
  return { clock, request, bytes, progress };
}

describe(uploadedBytes.name, () => {
  it('gives the pieces as they arrive, and ends with the body', async () => {
    const { request, bytes, progress } = uploading();
    request.write('ab');
    expect(String((await bytes.next()).value)).toBe('ab');
    const next = bytes.next();
    request.end('c');
    expect(String((await next).value)).toBe('c');
    expect((await bytes.next()).done).toBe(true);
    expect(progress).toEqual([2, 3]);
  });

  it('takes no more than is asked for', async () => {
    const { request, bytes } = uploading();
    request.write('a');
    request.write('b');
    await bytes.next();
    expect(request.isPaused()).toBe(true);
  });

  it('throws request_timeout when nothing arrives', async () => {
    const { clock, bytes } = uploading();
    const next = expect(bytes.next()).rejects.toMatchObject({ code: 'request_timeout' });
    await clock.advance(1000);
    await next;
  });

  it('throws it when less than 1 KiB arrives in that time, in however many pieces', async () => {
    const { clock, request, bytes } = uploading();
    for (let piece = 0; piece < 4; piece++) {
      const next = bytes.next();
      await clock.advance(240);
      request.write('a');
      await next;
    }
    const last = expect(bytes.next()).rejects.toMatchObject({ code: 'request_timeout' });
    await clock.advance(40);
    await last;
  });

  it('has patience again after 1 KiB, and while nobody asks for more', async () => {
    const { clock, request, bytes } = uploading();
    for (let piece = 0; piece < 3; piece++) {
      const next = bytes.next();
      await clock.advance(900);
      request.write('a'.repeat(1024));
      expect((await next).done).toBe(false);
      await clock.advance(10_000);
    }
    request.end();
    expect((await bytes.next()).done).toBe(true);
  });

  it('throws client_closed when the connection breaks', async () => {
    const { request, bytes } = uploading();
    const next = expect(bytes.next()).rejects.toMatchObject({ code: 'client_closed' });
    request.destroy();
    await next;
  });

  it('leaves the rest where it is when its reader stops', async () => {
    const { request, bytes } = uploading();
    request.write('a');
    await bytes.next();
    await bytes.return(undefined);
    expect(request.listenerCount('data')).toBe(0);
    expect(request.isPaused()).toBe(true);
  });
});
