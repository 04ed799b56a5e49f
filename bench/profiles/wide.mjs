import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const fromRoot = createRequire(join(root, 'package.json'));
const CALLS = 20_000;

/** Validation alone, without HTTP: our compiled validators, and Pydantic, each on an object of 47 fields. */
export async function wide({ profile, sides, options, tell }) {
  const samples = [];
  const validate = sides.includes('quayside') ? quaysideValidator() : undefined;
  for (let round = 1; round <= options.rounds; round++) {
    for (const side of sides) {
      const timesMs = side === 'quayside' ? timed(validate) : pydantic();
      samples.push({ profile, side, round, ...timesMs, raw: { calls: CALLS } });
      tell(`${profile}: round ${round}, ${side}: ${timesMs.p50.toFixed(4)} ms`);
    }
  }
  return samples;
}

/** Three levels: 11 fields, a customer of 12 with an address of 12, and an order of 12: 47 in all. */
export const WIDE = { ...fieldsOf(9), customer: { ...fieldsOf(11), address: fieldsOf(12) }, order: fieldsOf(12) };

/** Fields of five kinds in turn: text, whole number, number, flag, list of texts. */
function fieldsOf(count) {
  const values = ['a text of some length', 42, 3.25, true, ['one', 'two', 'three']];
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`field_${index}`, values[index % values.length]]),
  );
}

/** The validators that check requests, on classes decorated as the request classes are. */
function quaysideValidator() {
  fromRoot('reflect-metadata');
  const rules = fromRoot('class-validator');
  const { DtoValidators } = fromRoot('./dist/apps/api/src/http/validators.js');
  const { Nested } = fromRoot('./dist/apps/api/src/http/dto.js');
  const flat = [
    [rules.IsString(), rules.MinLength(1), rules.MaxLength(1000)],
    [rules.IsInt(), rules.Min(0), rules.Max(1000)],
    [rules.IsNumber(), rules.Min(0), rules.Max(1000)],
    [rules.IsBoolean()],
    [rules.IsArray(), rules.ArrayMaxSize(10), rules.IsString({ each: true })],
  ];
  const decorated = (type, count, nested = {}) => {
    for (let index = 0; index < count; index++) {
      for (const rule of flat[index % flat.length]) rule(type.prototype, `field_${index}`);
    }
    for (const [name, inner] of Object.entries(nested)) {
      Nested(inner)(type.prototype, name);
      // What the TypeScript compiler would have noted of a decorated field.
      Reflect.defineMetadata('design:type', inner, type.prototype, name);
    }
    return type;
  };
  const WideAddress = decorated(class WideAddress {}, 12);
  const WideOrder = decorated(class WideOrder {}, 12);
  const WideCustomer = decorated(class WideCustomer {}, 11, { address: WideAddress });
  const WideRequest = decorated(class WideRequest {}, 9, { customer: WideCustomer, order: WideOrder });
  const validators = new DtoValidators();
  return () => validators.check(WideRequest, WIDE);
}

/** Milliseconds of single calls, after as many to warm up. */
function timed(call) {
  for (let index = 0; index < CALLS; index++) call();
  const times = Float64Array.from({ length: CALLS }, () => {
    const began = performance.now();
    call();
    return performance.now() - began;
  }).sort();
  const at = (share) => times[Math.floor(CALLS * share)];
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

function pydantic() {
  const [python, script] = [join(root, 'bench/.venv/bin/python'), join(root, 'bench/peers/fastapi/wide.py')];
  return JSON.parse(execFileSync(python, [script, String(CALLS)], { input: JSON.stringify(WIDE), encoding: 'utf8' }));
}
