import { QuaysideError } from '@app/core';
import { loadError, runError } from './native-errors';

describe('runError', () => {
  it.each([
    ['Got invalid dimensions for input: x for the following indices\n index: 1 Got: 3 Expected: 2', 'invalid_input'],
    [
      'Invalid rank for input: x Got: 1 Expected: 2 Please fix either the inputs/outputs or the model.',
      'invalid_input',
    ],
    ['Unexpected input data type. Actual: (tensor(int64)) , expected: (tensor(float))', 'invalid_input'],
    ["input 'b' is missing in 'feeds'.", 'invalid_input'],
    ["'fetches' contains invalid output name: nope.", 'invalid_input'],
    ['Non-zero status code returned while running Gather node. indices element out of data bounds', 'inference_failed'],
    ['std::bad_alloc', 'inference_failed'],
  ])('takes %j for %s and does not repeat it', (text, code) => {
    const error = runError(new Error(text));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain(text);
    expect(error.cause).toMatchObject({ message: text });
  });

  it('lets errors of the catalogue pass', () => {
    const error = new QuaysideError('context_length_exceeded', 'Too long.');
    expect(runError(error)).toBe(error);
  });
});

describe('loadError', () => {
  it.each([
    ['Load model from /secret/model.onnx failed:Protobuf parsing failed.', 'damaged'],
    [
      'Load model from /secret/model.onnx failed: Unsupported model IR version: 99, max supported IR version: 11',
      'newer',
    ],
    ['Could not find an implementation for Frob(1) node with name', 'operator'],
    ['Fatal error: acme:Frob(-1) is not a registered function/op', 'operator'],
    ['Unsupported data type: 16', 'element type'],
    ['External data path: /etc/passwd (resolved path) escapes model directory: /secret', 'external data'],
    ['something that nobody has seen', 'debug log'],
  ])('explains %j in words of its own, without the path', (text, word) => {
    const error = loadError(new Error(text));
    expect(error.code).toBe('model_load_failed');
    expect(error.message).toContain(word);
    expect(error.message).not.toContain('/secret');
  });
});
