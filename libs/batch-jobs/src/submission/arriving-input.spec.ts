import { QuaysideError } from '@app/core';
import { eventually } from '@app/testing';
import { ArrivingInput } from './arriving-input';

async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

/** Gives a piece, and then nothing any more. */
class Silent implements AsyncIterableIterator<Uint8Array> {
  asked = 0;
  returned = 0;

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    this.asked += 1;
    return this.asked === 1 ? Promise.resolve({ value: Buffer.from('a'), done: false }) : new Promise(() => {});
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.returned += 1;
    return new Promise(() => {});
  }
}

async function textOf(input: ArrivingInput): Promise<string> {
  let text = '';
  for await (const piece of input) text += Buffer.from(piece).toString();
  return text;
}

const here = () => new AbortController().signal;

describe(ArrivingInput.name, () => {
  it('gives what arrives', async () => {
    await expect(textOf(new ArrivingInput(pieces('a', 'b'), here()))).resolves.toBe('ab');
  });

  it('ends at once with the fault that it is given, while nothing arrives, and lets go of its source', async () => {
    const source = new Silent();
    const input = new ArrivingInput(source, here());
    const reading = textOf(input);
    await eventually(() => source.asked === 2);
    input.end(new Error('enough'));
    input.end(new Error('later'));
    await expect(reading).rejects.toThrow('enough');
    expect(source.returned).toBe(1);
  });

  it('ends with the fault that came while nobody asked', async () => {
    const input = new ArrivingInput(pieces('a', 'b', 'c'), here());
    const reader = input[Symbol.asyncIterator]();
    await reader.next();
    input.end(new Error('enough'));
    await expect(reader.next()).rejects.toThrow('enough');
  });

  it.each([
    ['leaves', (client: AbortController) => client.abort()],
    ['had left', () => undefined],
  ])('ends when its client %s', async (how, leave) => {
    const client = new AbortController();
    if (how === 'had left') client.abort();
    const source = new Silent();
    const reading = textOf(new ArrivingInput(source, client.signal));
    const refused = expect(reading).rejects.toMatchObject({ code: 'client_closed' });
    if (how === 'leaves') await eventually(() => source.asked === 2);
    leave(client);
    await refused;
  });

  it('takes a fault of its source for a client that left, unless it says more', async () => {
    const broken = (fault: Error) =>
      (async function* (): AsyncGenerator<Uint8Array> {
        yield await Promise.resolve(Buffer.from('a'));
        throw fault;
      })();
    const cause = new Error('ECONNRESET');
    await expect(textOf(new ArrivingInput(broken(cause), here()))).rejects.toMatchObject({
      code: 'client_closed',
      cause,
    });
    const late = new QuaysideError('request_timeout', 'No.');
    await expect(textOf(new ArrivingInput(broken(late), here()))).rejects.toBe(late);
  });
});
