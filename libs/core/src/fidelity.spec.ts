import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inTimeZone } from '@app/testing';
import type { Dtype } from './dtypes';
import type { DecodeOptions } from './element-sink';
import { parseJsonBody } from './json-body';
import { readBinary } from './tensor-binary';
import { decodeElements, decodeJson, decodeNested } from './tensor-decoder';
import { type EncodeOptions, encodeJson, encodeNested } from './tensor-encoder';
import { type Tensor, elementsOf } from './tensor';
import { decodeTimestamp, encodeTimestamp } from './timestamp';

interface Vector {
  readonly id: string;
  readonly dtype: Dtype | 'STRING' | 'TIMESTAMP' | 'JSON';
  readonly shape?: readonly number[];
  readonly options?: {
    readonly coerce?: boolean;
    readonly null_as_nan?: boolean;
    readonly on_non_finite?: 'accept' | 'reject';
    readonly content_type?: 'base64';
    readonly int64?: EncodeOptions['int64'];
    readonly nonfinite?: EncodeOptions['nonfinite'];
    readonly cast_from?: string;
    readonly use?: 'tensor' | 'feature' | 'log';
    readonly absent?: boolean;
  };
  readonly input?: unknown;
  readonly input_json?: string;
  readonly expect: 'accept' | 'reject';
  readonly code?: string;
  readonly bits?: string | readonly string[];
  readonly emit_json?: string;
}

const VECTORS = JSON.parse(
  readFileSync(join(__dirname, '../../../test/fixtures/fidelity.json'), 'utf8'),
) as readonly Vector[];

/** Not for a codec: casts belong to the joining of features, `use: log` to the prediction log. */
const isElsewhere = ({ options }: Vector): boolean => options?.cast_from !== undefined || options?.use === 'log';
const CODEC = VECTORS.filter((vector) => !isElsewhere(vector));
const BODIES = CODEC.filter(({ dtype, code }) => dtype === 'JSON' || code?.includes('json'));
const TIMESTAMPS = CODEC.filter(({ dtype }) => dtype === 'TIMESTAMP');
const TENSORS = CODEC.filter((vector) => !BODIES.includes(vector) && !TIMESTAMPS.includes(vector));

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const inputJson = (vector: Vector): string => vector.input_json ?? JSON.stringify(vector.input);
const dtypeOf = ({ dtype }: Vector): Dtype => (dtype === 'STRING' ? 'BYTES' : (dtype as Dtype));

/** The vector's value as a body brings it: its JSON text goes through the parser of bodies. */
function inputOf(vector: Vector): unknown {
  if (vector.options?.absent) return undefined;
  return (parseJsonBody(utf8(`{"data":${inputJson(vector)}}`)) as { data: unknown }).data;
}

function decodeOptions({ options = {} }: Vector): DecodeOptions {
  return {
    ...(options.coerce !== undefined && { coerce: options.coerce }),
    ...(options.null_as_nan !== undefined && { nullAsNan: options.null_as_nan }),
    ...(options.on_non_finite !== undefined && { onNonFinite: options.on_non_finite }),
    ...(options.content_type !== undefined && { contentType: options.content_type }),
    ...(options.use === 'feature' && { nulCharacter: 'reject' as const }),
  };
}

/** Big-endian hex of each element. */
function bitsOf(tensor: Tensor, count: number): string[] {
  const width = tensor.bytes.length / count;
  const elements =
    tensor.dtype === 'BYTES'
      ? elementsOf(tensor).map((element) => Buffer.from(element))
      : Array.from({ length: count }, (_, at) =>
          Buffer.from(tensor.bytes.slice(at * width, (at + 1) * width)).reverse(),
        );
  return elements.map((element) => element.toString('hex'));
}

interface Door {
  readonly name: string;
  /** Whether the vector can be put to this door at all. */
  readonly takes: (vector: Vector) => boolean;
  readonly decode: (vector: Vector) => Tensor;
}

const inputIsNestedAsShape = ({ shape, input }: Vector): boolean =>
  shape === undefined || (Array.isArray(input) && (shape.length === 1 || Array.isArray(input[0])));

const DOORS: readonly Door[] = [
  {
    name: 'Open Inference JSON',
    takes: () => true,
    decode: (vector) =>
      decodeJson(
        { dtype: dtypeOf(vector), shape: vector.shape ?? [1], field: 'inputs[0]' },
        vector.shape ? inputOf(vector) : [inputOf(vector)],
        decodeOptions(vector),
      ),
  },
  {
    name: 'nested values',
    takes: (vector) => inputIsNestedAsShape(vector) && !vector.id.startsWith('shape-'),
    decode: (vector) =>
      decodeNested(
        { dtype: dtypeOf(vector), shape: vector.shape ?? ['batch'], field: 'inputs.x' },
        vector.shape ? inputOf(vector) : [inputOf(vector)],
        decodeOptions(vector),
      ),
  },
  {
    name: 'a field of rows',
    takes: (vector) => inputIsNestedAsShape(vector) && !vector.id.startsWith('shape-'),
    decode: (vector) =>
      decodeElements(
        { dtype: dtypeOf(vector), shape: vector.shape ?? [], fieldOf: (row) => `rows[${row}].x` },
        [inputOf(vector)],
        decodeOptions(vector),
      ),
  },
];

/** What `Date` must say of the first of January 2026, in minutes, where each zone is in force. */
const ZONES = [
  ['UTC', 0],
  ['America/New_York', 300],
  ['Asia/Kolkata', -330],
] as const;

describe.each(ZONES)('fidelity vectors under TZ=%s', (zone, offsetMinutes) => {
  inTimeZone(zone);

  it('run in that zone', () => {
    expect(new Date(1_767_225_600_000).getTimezoneOffset()).toBe(offsetMinutes);
  });

  describe.each(DOORS)('as $name', ({ decode, takes }) => {
    it.each(TENSORS.filter(takes))('$id', (vector) => {
      if (vector.expect === 'reject') {
        expect(refusalOf(() => decode(vector))).toMatchObject({
          code: 'invalid_input',
          details: [{ code: vector.code }],
        });
        return;
      }
      const tensor = decode(vector);
      const bits = [vector.bits ?? []].flat();
      expect(bitsOf(tensor, bits.length)).toEqual(bits);
      expectWritten(tensor, vector);
    });
  });

  it.each(TENSORS.filter(({ expect }) => expect === 'accept'))('$id from JSON to binary to JSON', (vector) => {
    const tensor = DOORS[0].decode(vector);
    const sent = Buffer.concat([Buffer.from('#'), tensor.bytes]).subarray(1);
    const received = readBinary({ dtype: tensor.dtype, shape: tensor.shape, field: 'inputs[0]' }, sent);
    expect(Buffer.compare(received.bytes, tensor.bytes)).toBe(0);
    expectWritten(received, vector);
  });

  it.each(BODIES)('$id', (vector) => {
    const body = utf8(inputJson(vector));
    if (vector.expect === 'reject') expect(refusalOf(() => parseJsonBody(body))).toMatchObject({ code: vector.code });
    else expect(JSON.stringify(parseJsonBody(body))).toBe(vector.emit_json);
  });

  it.each(TIMESTAMPS)('$id', (vector) => {
    const decode = (): bigint => decodeTimestamp(inputOf(vector), 'ts');
    if (vector.expect === 'reject') {
      expect(refusalOf(decode)).toMatchObject({ code: 'invalid_input', details: [{ field: 'ts', code: vector.code }] });
      return;
    }
    expect(BigInt.asUintN(64, decode()).toString(16).padStart(16, '0')).toBe(vector.bits);
    expect(JSON.stringify(encodeTimestamp(decode()))).toBe(vector.emit_json);
  });
});

it('leaves only feature casts and the log to others', () => {
  const elsewhere = VECTORS.filter(isElsewhere).map(({ id }) => id);
  expect(elsewhere).toEqual([
    'f32-2^24-plus-1-cast',
    'f32-2^24-plus-1-cast-round',
    'f64-cast-2^53-plus-1',
    'str-nul-log',
  ]);
});

/** Checks the exact text, and that reading it again gives the same bits. */
function expectWritten(tensor: Tensor, vector: Vector): void {
  const { options = {}, shape, emit_json: emitted = '' } = vector;
  const writing: EncodeOptions = {
    ...(options.int64 && { int64: options.int64 }),
    ...(options.nonfinite && { nonfinite: options.nonfinite }),
  };
  const { data, parameters } = encodeJson(tensor, writing);
  const flat = JSON.stringify(data);
  expect(shape ? flat : flat.slice(1, -1)).toBe(emitted);
  if (options.int64 === 'number') return;
  const { contentType: _, ...others } = decodeOptions(vector);
  const reading = { ...others, ...(parameters.content_type && { contentType: parameters.content_type }) };
  const target = { dtype: tensor.dtype, shape: tensor.shape, field: 'again' };
  const nested = JSON.stringify(encodeNested(tensor, writing));
  for (const again of [
    decodeJson(target, parseJsonBody(utf8(flat)), reading),
    decodeNested(target, parseJsonBody(utf8(nested)), reading),
  ]) {
    expect(Buffer.compare(again.bytes, tensor.bytes)).toBe(0);
  }
}

function refusalOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('was accepted');
}
