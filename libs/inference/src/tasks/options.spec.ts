import Ajv from 'ajv/dist/2020';
import { type OptionName, optionsSchema, readOptions } from './options';

const SAMPLES: Readonly<Record<OptionName, { readonly good: readonly unknown[]; readonly bad: readonly unknown[] }>> = {
  top_k: { good: [1, 100], bad: [0, 101, 1.5, '1', true] },
  temperature: { good: [0, 0.5, 2], bad: [-1, 2.5, '1'] },
  truncate: { good: [true, false], bad: [0, 'true'] },
  normalize: { good: [true, false], bad: [1] },
  dimensions: { good: [1, 4096], bad: [0, -1, 1.5] },
  int64: { good: ['auto', 'string', 'number'], bad: ['Auto', 1] },
  nonfinite: { good: ['string', 'null', 'error'], bad: [null, 'nan'] },
};
const NAMES = Object.keys(SAMPLES) as OptionName[];

describe(readOptions.name, () => {
  it.each(NAMES)('judges %s as its schema does', (name) => {
    const validate = new Ajv().compile(optionsSchema([name]));
    for (const value of SAMPLES[name].good) {
      expect(readOptions({ [name]: value }, [name])).toEqual({ [name]: value });
      expect(validate({ [name]: value })).toBe(true);
    }
    for (const value of SAMPLES[name].bad) {
      const details = [expect.objectContaining({ field: `options.${name}`, code: 'invalid_option' })];
      expect(() => readOptions({ [name]: value }, [name])).toThrow(
        expect.objectContaining({ code: 'invalid_request', details }),
      );
      expect(validate({ [name]: value })).toBe(false);
    }
  });

  it('names what it takes when it refuses a name, and shows little of the name', () => {
    const long = 'x'.repeat(500);
    expect(() => readOptions({ [long]: 1 }, ['int64', 'nonfinite'])).toThrow(
      expect.objectContaining({
        code: 'unsupported_option',
        message: expect.stringContaining('It takes int64, nonfinite.'),
      }),
    );
    expect(() => readOptions({ [long]: 1 }, ['int64'])).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(long) }),
    );
  });
});
