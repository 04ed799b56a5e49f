import 'reflect-metadata';
import { isQuaysideError } from '@app/core';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { EmbedRequest } from '../inference/embed.dto';
import { RowsRequest, TensorsRequest } from '../inference/model-predict.dto';
import { PredictRequest } from '../inference/predict.dto';
import { PushRowsRequest } from '../features/feature-views.dto';
import { type DtoClass, DtoValidators } from './validators';

const validators = new DtoValidators();

function faultsOf(type: DtoClass<object>, body: unknown): string[] {
  try {
    validators.check(type, body);
    return [];
  } catch (error) {
    if (!isQuaysideError(error)) throw error;
    const { details } = error;
    return details.map(({ field, code }) => `${field} ${code}`);
  }
}

const good = { text: 'hello', model_id: 'banking-intents' };
const emoji = '😀';

describe(DtoValidators.name, () => {
  it('fills in what was left out', () => {
    expect(validators.check(PredictRequest, good)).toEqual({ ...good, top_k: 5, temperature: 0.7 });
  });

  it.each([
    ['an empty text', { ...good, text: '' }, ['text too_short']],
    ['a text of 10,001 emoji', { ...good, text: emoji.repeat(10_001) }, ['text too_long']],
    ['top_k 0', { ...good, top_k: 0 }, ['top_k out_of_range']],
    ['top_k 101', { ...good, top_k: 101 }, ['top_k out_of_range']],
    ['top_k 1.5', { ...good, top_k: 1.5 }, ['top_k not_integer']],
    ['top_k "5"', { ...good, top_k: '5' }, ['top_k wrong_type']],
    ['top_k null', { ...good, top_k: null }, ['top_k null_not_allowed']],
    ['temperature 2.01', { ...good, temperature: 2.01 }, ['temperature out_of_range']],
    ['temperature 1e400', { ...good, temperature: Infinity }, ['temperature wrong_type']],
    ['a name with capitals', { ...good, model_id: 'Banking' }, ['model_id pattern_mismatch']],
    ['topk for top_k', { ...good, topk: 3 }, ['topk unknown_field']],
    ['nothing', {}, ['text missing_field', 'model_id missing_field']],
    ['a list', [], ['body wrong_type']],
    ['null', null, ['body null_not_allowed']],
  ])('refuses %s', (_name, body, faults) => {
    expect(faultsOf(PredictRequest, body)).toEqual(faults);
  });

  it('takes 10,000 emoji, and 5.0 as 5', () => {
    const body: unknown = JSON.parse(`{"text": "${emoji.repeat(10_000)}", "model_id": "a", "top_k": 5.0}`);
    expect(faultsOf(PredictRequest, body)).toEqual([]);
  });

  it('tells of a value of a wrong type nothing but that', () => {
    expect(faultsOf(PushRowsRequest, { rows: [], mode: null })).toEqual([
      'rows too_few_items',
      'mode null_not_allowed',
    ]);
  });

  it('names the place of a fault inside lists and objects', () => {
    expect(faultsOf(EmbedRequest, { model_id: 'minilm', text: ['a', 5, ''] })).toEqual([
      'text[1] wrong_type',
      'text[2] too_short',
    ]);
    expect(faultsOf(RowsRequest, { rows: [{}, []], options: { top_k: 0 } })).toEqual([
      'rows[1] wrong_type',
      'options.top_k out_of_range',
    ]);
  });

  it('tells at most ten faults', () => {
    const body = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`x${index}`, 1]));
    expect(faultsOf(PredictRequest, body)).toHaveLength(10);
  });

  it('looks for one fault only in a body that could have millions', () => {
    expect(faultsOf(EmbedRequest, { model_id: 5, text: new Array(100_000).fill(1) })).toHaveLength(1);
  });

  it('refuses a class without decorators, so that no body passes unchecked', () => {
    class Undecorated {}
    expect(() => validators.check(Undecorated, {})).toThrow('Undecorated has no validation decorators');
  });
});

describe('the compiled validators', () => {
  const cases: readonly (readonly [DtoClass<object>, string, unknown])[] = [
    ...fieldCases(PredictRequest, good, 'text', [
      '',
      'a',
      'a'.repeat(10_000),
      'a'.repeat(10_001),
      emoji.repeat(10_001),
      '☂️'.repeat(5001),
    ]),
    ...fieldCases(PredictRequest, good, 'model_id', ['a', 'A', '', 'a_b', 'a-1', 'é', 'a\n']),
    ...fieldCases(PredictRequest, good, 'top_k', [1, 100, 0, 101, -1, 5.5, 5.0]),
    ...fieldCases(PredictRequest, good, 'temperature', [0, 2, -0.001, 2.001, 1]),
    ...fieldCases(EmbedRequest, good, 'text', [
      ['a'],
      [],
      [''],
      ['a', 5],
      new Array(2048).fill('a'),
      new Array(2049).fill('a'),
    ]),
    ...fieldCases(EmbedRequest, good, 'normalize', [true, false, 0, 'true']),
    ...fieldCases(EmbedRequest, good, 'dimensions', [1, 0, 65_536, 65_537, 1.5]),
    ...fieldCases(RowsRequest, { rows: [{}] }, 'rows', [
      [{}],
      [],
      [[]],
      [null],
      {},
      new Array(2048).fill({}),
      new Array(2049).fill({}),
    ]),
    ...fieldCases(RowsRequest, { rows: [{}] }, 'options', [
      {},
      { top_k: 0 },
      { int64: 'auto' },
      { int64: 'hex' },
      { other: 1 },
    ]),
    ...fieldCases(TensorsRequest, { inputs: {} }, 'inputs', [{}, { x: [[1]] }, []]),
    ...fieldCases(TensorsRequest, { inputs: {} }, 'outputs', [[], ['y'], [5], 'y', new Array(257).fill('y')]),
  ];

  it.each(cases)('agree with class-validator: %p %s', (type, _name, body) => {
    const instance = plainToInstance(type, structuredClone(body));
    const errors = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true });
    expect(faultsOf(type, body).length === 0).toBe(errors.length === 0);
  });
});

/** The good body with one field missing, of each wrong type, null, and of each of the values. */
function fieldCases(
  type: DtoClass<object>,
  body: object,
  field: string,
  values: readonly unknown[],
): [DtoClass<object>, string, unknown][] {
  const others = [null, 'text', 1, 1.5, true, [], {}, Number.NaN];
  const cases = [...values, ...others].map((value): [DtoClass<object>, string, unknown] => [
    type,
    `${field} = ${JSON.stringify(value).slice(0, 30)}`,
    { ...body, [field]: value },
  ]);
  return [
    ...cases,
    [type, `${field} missing`, Object.fromEntries(Object.entries(body).filter(([key]) => key !== field))],
  ];
}
