import { storageFault, storing, storingIfThere } from './storage-fault';

const fault = (code: string): Error => Object.assign(new Error(`${code}: open '/secret/path'`), { code });

describe(storageFault.name, () => {
  it.each([
    ['ENOSPC', 'storage_full'],
    ['EDQUOT', 'storage_full'],
    ['EIO', 'storage_unavailable'],
    ['EACCES', 'storage_unavailable'],
    ['EROFS', 'storage_unavailable'],
    ['EMFILE', 'storage_unavailable'],
  ])('makes %s %s, with its cause and without the path', (code, expected) => {
    const cause = fault(code);
    expect(storageFault(cause)).toMatchObject({ code: expected, cause });
    expect(storageFault(cause).message).toContain(code);
    expect(storageFault(cause).message).not.toContain('/secret');
  });
});

describe(storing.name, () => {
  it('gives what the call gives, and throws faults of the catalogue', async () => {
    await expect(storing(() => Promise.resolve(1))).resolves.toBe(1);
    await expect(storing(() => Promise.reject(fault('ENOENT')))).rejects.toMatchObject({ code: 'storage_unavailable' });
  });
});

describe(storingIfThere.name, () => {
  it('gives undefined where there is no such file, and throws other faults', async () => {
    await expect(storingIfThere(() => Promise.reject(fault('ENOENT')))).resolves.toBeUndefined();
    await expect(storingIfThere(() => Promise.reject(fault('EIO')))).rejects.toMatchObject({
      code: 'storage_unavailable',
    });
  });
});
