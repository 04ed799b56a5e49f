import fc from 'fast-check';
import { encodeCursor } from './cursor';
import { resultPage } from './result-page';

describe(resultPage.name, () => {
  it('begins at the first row, or where the cursor stands', () => {
    const job = { endRow: 10, hasEnded: false };
    expect(resultPage(job)).toEqual({ from: 0, to: 10, next: encodeCursor(10), isComplete: false });
    expect(resultPage({ ...job, after: encodeCursor(4), limit: 3 })).toMatchObject({ from: 4, to: 7 });
    expect(() => resultPage({ ...job, after: 'mine' })).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it('is empty, and keeps the place, where nothing new is finished', () => {
    const here = encodeCursor(10);
    for (const endRow of [10, 4]) {
      expect(resultPage({ after: here, endRow, hasEnded: false })).toEqual({
        from: 10,
        to: 10,
        next: here,
        isComplete: false,
      });
    }
  });

  it('leads through every row once while the job grows, and then says that it is complete', () => {
    const growth = fc.array(fc.nat({ max: 50 }), { minLength: 1 });
    fc.assert(
      fc.property(growth, fc.integer({ min: 1, max: 20 }), (steps, limit) => {
        const total = steps.reduce((sum, step) => sum + step, 0);
        const seen: number[] = [];
        let [endRow, after, isComplete] = [0, undefined as string | undefined, false];
        for (let step = 0; !isComplete; step++) {
          endRow += steps[step] ?? 0;
          const page = resultPage({ ...(after !== undefined && { after }), limit, endRow, hasEnded: endRow === total });
          for (let row = page.from; row < page.to; row++) seen.push(row);
          after = page.next;
          isComplete = page.isComplete;
        }
        expect(seen).toEqual(Array.from({ length: total }, (_, row) => row));
      }),
    );
  });
});
