import fc from 'fast-check';
import { inputKey, jobPrefix, parseChunkKey, resultKey } from './chunk-keys';

const jobId = fc.stringMatching(/^[0-9a-f]{32}$/).map((hex) => `job_${hex}`);
const count = fc.nat(999_999_999);

describe(parseChunkKey.name, () => {
  it('reads what the builders wrote', () => {
    fc.assert(
      fc.property(jobId, count, count, (id, idx, epoch) => {
        expect(parseChunkKey(inputKey(id, idx))).toEqual({ kind: 'input', jobId: id, idx });
        const key = resultKey({ jobId: id, idx, epoch });
        expect(parseChunkKey(key)).toEqual({ kind: 'result', jobId: id, idx, epoch });
        expect(key.startsWith(jobPrefix(id))).toBe(true);
      }),
    );
  });

  it.each([
    '',
    'jobs/x/in/0.jsonl',
    `jobs/job_${'a'.repeat(32)}/in/0.1.jsonl`,
    `jobs/job_${'a'.repeat(32)}/out/0.jsonl`,
  ])('knows no file in %j', (key) => {
    expect(parseChunkKey(key)).toBeUndefined();
  });
});
