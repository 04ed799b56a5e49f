import { type Tensor, codePointLength, decodeElements, ownValue, tensorOf } from '@app/core';
import { type Schema, document, listOf, objectOf } from './json-schema';
import { MAX_ROWS, checkFields, checkRowCount, invalidInput } from './refusals';
import type { PredictInput } from './task';

/** The one field of a text task's rows, and the one input of its tensors form. */
const FIELD = 'text';

/**
 * The texts of a request as `BYTES [rows]`: the field `text` of each row, or the input `text` (a list, or one string).
 * Throws invalid_input (fields, types, length in code points, lone surrogates), invalid_request (the number of rows).
 */
export function readTexts(input: PredictInput, maxCharacters: number): Tensor {
  const { texts, fieldOf } = input.form === 'rows' ? fromRows(input) : fromTensors(input);
  // Texts as they should be need no search for faults.
  const tensor = areTexts(texts)
    ? tensorOf('BYTES', [texts.length], texts)
    : decodeElements({ dtype: 'BYTES', shape: [], fieldOf }, texts);
  for (let index = 0; index < texts.length; index += 1) {
    checkLength(texts[index] as string, () => fieldOf(index), maxCharacters);
  }
  return tensor;
}

/** Whether the request left out the dimension of the rows, so that its answer does too. */
export function isOneText(input: PredictInput): boolean {
  return input.form === 'tensors' && typeof ownValue(input.inputs, FIELD) === 'string';
}

/** Schemas of a row, and of the inputs of the tensors form. */
export function textSchemas({ maxCharacters, example }: TextSchemaParts): {
  readonly row: Schema;
  readonly inputs: Schema;
} {
  const text: Schema = { type: 'string', minLength: 1, maxLength: maxCharacters };
  const texts = { ...listOf(text), minItems: 1, maxItems: MAX_ROWS };
  return {
    row: document(objectOf({ [FIELD]: text }), { [FIELD]: example }),
    inputs: document(objectOf({ [FIELD]: { anyOf: [texts, text] } }), { [FIELD]: [example] }),
  };
}

interface TextSchemaParts {
  readonly maxCharacters: number;
  readonly example: string;
}

interface Texts {
  readonly texts: readonly unknown[];
  readonly fieldOf: (index: number) => string;
}

function fromRows({ rows }: Extract<PredictInput, { form: 'rows' }>): Texts {
  checkRowCount(rows.length, 'rows');
  const texts = rows.map((row, index) => {
    checkFields(row, { takes: [FIELD], path: `rows[${index}]` });
    return ownValue(row, FIELD);
  });
  return { texts, fieldOf: (index) => `rows[${index}].${FIELD}` };
}

function fromTensors({ inputs }: Extract<PredictInput, { form: 'tensors' }>): Texts {
  checkFields(inputs, { takes: [FIELD], path: 'inputs' });
  const given = ownValue(inputs, FIELD);
  if (!Array.isArray(given)) return { texts: [given], fieldOf: () => `inputs.${FIELD}` };
  checkRowCount(given.length, `inputs.${FIELD}`);
  return { texts: given, fieldOf: (index) => `inputs.${FIELD}[${index}]` };
}

function areTexts(values: readonly unknown[]): values is readonly string[] {
  return values.every((value) => typeof value === 'string' && value.isWellFormed());
}

function checkLength(text: string, fieldOf: () => string, maxCharacters: number): void {
  if (text !== '' && !isLongerThan(text, maxCharacters)) return;
  const field = fieldOf();
  if (text === '') throw invalidInput({ field, code: 'too_short', message: `${field} must not be empty.` });
  throw invalidInput({ field, code: 'too_long', message: `${field} has more than ${maxCharacters} characters.` });
}

/** Counts code points only where the UTF-16 length leaves it open. */
function isLongerThan(text: string, maxCharacters: number): boolean {
  return text.length > maxCharacters && (text.length > 2 * maxCharacters || codePointLength(text) > maxCharacters);
}
