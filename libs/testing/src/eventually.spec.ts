import { eventually } from './eventually';

describe(eventually.name, () => {
  it('gives what the check gives once it no longer throws', async () => {
    let calls = 0;
    const value = await eventually(() => {
      calls += 1;
      if (calls < 3) throw new Error('not yet');
      return calls;
    });
    expect(value).toBe(3);
  });

  it('waits while the check gives false, and takes a promise', async () => {
    const answers = [false, false, 'here'];
    await expect(eventually(() => Promise.resolve(answers.shift() ?? false))).resolves.toBe('here');
  });

  it('takes 0 and undefined as answers', async () => {
    await expect(eventually(() => 0)).resolves.toBe(0);
    await expect(eventually(() => undefined)).resolves.toBeUndefined();
  });
});
