import { viewOf } from '@app/core';
import { TEXT_INPUTS, tensorSpec as spec } from '@app/testing';
import fc from 'fast-check';
import { type SequenceLimits, feedsOf, isTextFeed, paddingBefore, planRuns } from './text-runs';
import type { Encoding, TokenizerSettings } from './tokenizer';

const LIMITS: SequenceLimits = { maxRows: Infinity, maxTokens: 256, maxRunTokens: 4096, fixedLength: undefined };
const SETTINGS: TokenizerSettings = { maxTokens: 256, truncationSide: 'right', paddingSide: 'right', padId: 9 };

function encodingOf(length: number, typeId = 0): Encoding {
  const ids = Array.from({ length }, (_, index) => 100 + index);
  return { ids, typeIds: ids.map(() => typeId), truncated: false };
}

const lengths = fc.array(fc.integer({ min: 0, max: 256 }), { minLength: 1, maxLength: 80 });

describe(planRuns.name, () => {
  it('puts each row into one run, with room for all of its tokens', () => {
    fc.assert(
      fc.property(lengths, (all) => {
        const runs = planRuns(
          all.map((length) => encodingOf(length)),
          LIMITS,
        );
        expect(runs.flatMap(({ rows }) => rows).sort((a, b) => a - b)).toEqual(all.map((_, index) => index));
        for (const { rows, length, encodings } of runs) {
          expect(encodings.map(({ ids }) => ids.length)).toEqual(rows.map((row) => all[row]));
          expect(length).toBeGreaterThanOrEqual(Math.max(...rows.map((row) => all[row])));
        }
      }),
    );
  });

  it('pads to the longest row, at most to the maximum, and keeps runs small and alike', () => {
    fc.assert(
      fc.property(lengths, fc.integer({ min: 250, max: 300 }), (all, maxTokens) => {
        for (const { rows, length } of planRuns(
          all.map((size) => encodingOf(size)),
          { ...LIMITS, maxTokens },
        )) {
          expect(length).toBe(Math.min(maxTokens, Math.max(1, ...rows.map((row) => all[row]))));
          expect(length).toBeLessThanOrEqual(maxTokens);
          expect(rows.length === 1 || rows.length * length <= 4096).toBe(true);
          const alone = rows.reduce((sum, row) => sum + Math.min(maxTokens, Math.max(1, all[row])), 0);
          expect(rows.length * length).toBeLessThanOrEqual(1.25 * alone);
        }
      }),
    );
  });

  it('keeps a run within the tokens that may run together, whatever was estimated before', () => {
    const encodings = Array.from({ length: 9 }, () => encodingOf(30));
    const runs = planRuns(encodings, { ...LIMITS, maxRunTokens: 100 });
    expect(runs.map(({ rows }) => rows.length)).toEqual([3, 3, 3]);
  });

  it('runs equal lengths together', () => {
    expect(planRuns([encodingOf(5), encodingOf(200), encodingOf(7), encodingOf(199)], LIMITS)).toMatchObject([
      { rows: [0, 2], length: 7 },
      { rows: [3, 1], length: 200 },
    ]);
  });

  it('runs rows apart and at one length where the model has no other', () => {
    const runs = planRuns([encodingOf(5), encodingOf(7)], { ...LIMITS, maxRows: 1, maxTokens: 32, fixedLength: 32 });
    expect(runs).toMatchObject([
      { rows: [0], length: 32 },
      { rows: [1], length: 32 },
    ]);
  });
});

describe(feedsOf.name, () => {
  const inputs = [
    ...TEXT_INPUTS,
    spec('token_type_ids', 'INT64', ['r', 't']),
    spec('position_ids', 'INT32', ['r', 't']),
  ];
  const group = { rows: [0, 1], encodings: [encodingOf(2, 1), encodingOf(3, 1)], length: 4 };

  it('fills what the model has, padded on the right', () => {
    const feeds = feedsOf(group, inputs, SETTINGS);
    expect(Object.keys(feeds)).toEqual(['input_ids', 'attention_mask', 'token_type_ids', 'position_ids']);
    expect([...viewOf(feeds['input_ids'], 'INT64')]).toEqual([100n, 101n, 9n, 9n, 100n, 101n, 102n, 9n]);
    expect([...viewOf(feeds['attention_mask'], 'INT64')]).toEqual([1n, 1n, 0n, 0n, 1n, 1n, 1n, 0n]);
    expect([...viewOf(feeds['token_type_ids'], 'INT64')]).toEqual([1n, 1n, 0n, 0n, 1n, 1n, 1n, 0n]);
    expect([...viewOf(feeds['position_ids'], 'INT32')]).toEqual([0, 1, 0, 0, 0, 1, 2, 0]);
    expect(feeds['input_ids'].shape).toEqual([2, 4]);
  });

  it('pads on the left where the tokenizer says so', () => {
    const feeds = feedsOf(group, TEXT_INPUTS, { ...SETTINGS, paddingSide: 'left' });
    expect([...viewOf(feeds['input_ids'], 'INT64')]).toEqual([9n, 9n, 100n, 101n, 9n, 100n, 101n, 102n]);
    expect(paddingBefore(group.encodings[0], 4, 'left')).toBe(2);
  });

  it('knows which inputs it can fill', () => {
    expect(inputs.every(isTextFeed)).toBe(true);
    expect(isTextFeed(spec('pixel_values', 'FP32', ['r', 't']))).toBe(false);
    expect(isTextFeed(spec('input_ids', 'FP32', ['r', 't']))).toBe(false);
    expect(isTextFeed(spec('toString', 'INT64', ['r', 't']))).toBe(false);
  });
});
