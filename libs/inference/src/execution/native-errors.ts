import { type ErrorCode, QuaysideError, isQuaysideError } from '@app/core';

/**
 * What ONNX Runtime's texts mean. It throws plain errors whose only content is a text, with file paths in some, so the
 * text is matched here and never shown. Requests are checked against the signature before they get this far: this is
 * the second line.
 */
const RUN_FAULTS: readonly { readonly pattern: RegExp; readonly code: ErrorCode; readonly message: string }[] = [
  {
    pattern: /invalid dimensions for input|Invalid rank for input/i,
    code: 'invalid_input',
    message: 'The shape of an input does not fit what the model takes.',
  },
  {
    pattern: /Unexpected input data type|Input type mismatch/i,
    code: 'invalid_input',
    message: 'The element type of an input is not what the model takes.',
  },
  { pattern: /is missing in 'feeds'/, code: 'invalid_input', message: 'An input of the model is missing.' },
  {
    pattern: /invalid output name/,
    code: 'invalid_input',
    message: 'The model has no output of a name that was asked for.',
  },
  {
    pattern: /bad_alloc|Failed to allocate memory|Array buffer allocation failed/i,
    code: 'inference_failed',
    message: 'The model ran out of memory on this input.',
  },
];

const LOAD_FAULTS: readonly { readonly pattern: RegExp; readonly message: string }[] = [
  { pattern: /Protobuf parsing failed|INVALID_PROTOBUF/i, message: 'model.onnx is damaged, or not an ONNX file.' },
  {
    pattern: /External data|external_data|escapes (the )?(model|working) dir|model_path/i,
    message: 'Its external data is missing, too short, or outside the folder of the version.',
  },
  {
    pattern: /Unsupported model IR version|opset .* is under development|only \*guarantees\* support/i,
    message: 'It was written for a newer ONNX than this engine reads.',
  },
  {
    pattern: /NOT_IMPLEMENTED|Could not find an implementation|No Op registered|is not a registered/i,
    message: 'It uses an operator that this engine does not have.',
  },
  {
    pattern: /Unsupported data type/i,
    message: 'It has an input or output of an element type that requests cannot carry.',
  },
  { pattern: /bad_alloc|Failed to allocate memory/i, message: 'There was not enough memory to open it.' },
  { pattern: /INVALID_GRAPH|Type Error|ShapeInferenceError|Node .* has/i, message: 'Its graph is not valid ONNX.' },
];

/** What to throw when the engine refused to run. Errors of the catalogue pass. */
export function runError(error: unknown): QuaysideError {
  if (isQuaysideError(error)) return error;
  const text = textOf(error);
  const fault = RUN_FAULTS.find(({ pattern }) => pattern.test(text));
  if (fault) return new QuaysideError(fault.code, fault.message, { cause: error });
  return new QuaysideError('inference_failed', 'The model failed on this input.', { cause: error });
}

/** What to throw when the engine refused to open a model. Errors of the catalogue pass. */
export function loadError(error: unknown): QuaysideError {
  if (isQuaysideError(error)) return error;
  const text = textOf(error);
  const fault = LOAD_FAULTS.find(({ pattern }) => pattern.test(text));
  const message = fault?.message ?? 'The engine could not open it; the debug log has its words.';
  return new QuaysideError('model_load_failed', message, { cause: error });
}

/** An error's own words, for matching and for the debug log. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
