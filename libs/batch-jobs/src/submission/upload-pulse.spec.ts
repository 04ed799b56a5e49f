import { ManualClock } from '@app/testing';
import { UploadPulse } from './upload-pulse';

function beating(answers: (boolean | Error)[]) {
  const clock = new ManualClock();
  const seen = { touched: 0, stopped: 0 };
  const pulse = new UploadPulse({
    ...{ clock, everyMs: 100 },
    touch: () => {
      const answer = answers[seen.touched] ?? true;
      seen.touched += 1;
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    stopped: () => (seen.stopped += 1),
  });
  return { clock, seen, pulse };
}

describe(UploadPulse.name, () => {
  it('beats until it is ended', async () => {
    const { clock, seen, pulse } = beating([]);
    await clock.advance(350);
    pulse.end();
    await clock.advance(1000);
    expect(seen).toEqual({ touched: 3, stopped: 0 });
  });

  it('says once that the job does not go on, and beats no more', async () => {
    const { clock, seen } = beating([true, false]);
    await clock.advance(1000);
    expect(seen).toEqual({ touched: 2, stopped: 1 });
  });

  it('goes on without an answer', async () => {
    const { clock, seen, pulse } = beating([new Error('down')]);
    await clock.advance(250);
    pulse.end();
    expect(seen).toEqual({ touched: 2, stopped: 0 });
  });
});
