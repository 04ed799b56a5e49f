import { aModelVersion } from '@app/testing';
import { describeModel } from './describe-model';

const status = {
  model: 'm',
  pinned: false,
  labels: {},
  createdAtMs: 1999,
  versions: [{ version: '1', state: 'failed' as const, reason: 'It is broken.', nextTrialAtMs: 2001, served: true }],
};

describe(describeModel.name, () => {
  it('tells seconds, and when a failed version is tried again', () => {
    expect(describeModel('m', status, status.versions[0])).toMatchObject({
      created: 1,
      state: 'failed',
      reason: 'It is broken.',
      description: '',
      task: null,
      task_reason: '',
      default_version: null,
      versions: [{ version: '1', next_trial_at: 3 }],
      inputs: [],
    });
  });

  it('shows dimensions of any size as -1', () => {
    const details = aModelVersion({
      model: 'm',
      signature: { inputs: [{ name: 'x', dtype: 'FP32', shape: ['batch', 4, ''] }], outputs: [] },
    });
    const shown = { version: '1', state: 'ready' as const, reason: '', served: true, details };
    expect(describeModel('m', { ...status, versions: [shown] }, shown)).toMatchObject({
      task: 'tensors',
      task_reason: 'Made up for a test.',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4, -1] }],
    });
  });
});
