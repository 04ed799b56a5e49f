import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobStore, FolderBlobStore } from '@app/blob-store';
import { InMemoryBlobStore, temporaryDirectory } from '@app/testing';
import { itBehavesLikeABlobStore } from './blob-store.contract';

async function* once(content: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from(content));
}

describe(BlobStore.name, () => {
  describe(InMemoryBlobStore.name, () => {
    itBehavesLikeABlobStore(() => Promise.resolve(new InMemoryBlobStore()));

    it('fails as it is told to, and recovers', async () => {
      const store = new InMemoryBlobStore();
      await store.put('a', once('a'));
      store.fail('storage_full');
      await expect(store.put('b', once('b'))).rejects.toMatchObject({ code: 'storage_full' });
      expect(await store.get('a')).toBeDefined();
      store.fail('storage_unavailable');
      await expect(store.get('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
      store.recover();
      expect(await store.get('a')).toBeDefined();
    });
  });

  describe(FolderBlobStore.name, () => {
    itBehavesLikeABlobStore(async () => new FolderBlobStore(join(await temporaryDirectory(), 'blobs')));

    it('leaves no empty folder behind', async () => {
      const folder = await temporaryDirectory();
      const store = new FolderBlobStore(folder);
      await store.put('jobs/a/in/0', once('a'));
      await store.put('jobs/b/in/0', once('b'));
      await store.delete(['jobs/a/in/0']);
      expect(await readdir(join(folder, 'jobs'))).toEqual(['b']);
      await store.delete(['jobs/b/in/0']);
      expect(await readdir(folder)).toEqual(['.unnamed']);
      expect(await readdir(join(folder, '.unnamed'))).toEqual([]);
    });

    it('is shared by processes: another one over the folder sees the same', async () => {
      const folder = await temporaryDirectory();
      await new FolderBlobStore(folder).put('a', once('a'));
      expect(await new FolderBlobStore(folder).get('a').then((content) => content?.toArray())).toHaveLength(1);
    });

    it('answers storage_unavailable without a path when the folder is none', async () => {
      const file = join(await temporaryDirectory(), 'file');
      await writeFile(file, '');
      const put = new FolderBlobStore(join(file, 'blobs')).put('a', once('a'));
      await expect(put).rejects.toMatchObject({ code: 'storage_unavailable' });
      await expect(put).rejects.not.toMatchObject({ message: expect.stringContaining(file) });
    });

    it('removes what writers left that died, and nothing that may still be written', async () => {
      const folder = await temporaryDirectory();
      const [old, young] = ['old', 'young'].map((name) => join(folder, '.unnamed', name)) as [string, string];
      await mkdir(join(folder, '.unnamed'));
      await Promise.all([old, young].map((path) => writeFile(path, 'half')));
      const now = Date.now();
      await utimes(old, new Date(0), new Date(0));
      await new FolderBlobStore(folder).removeAbandoned(now);
      expect(await readdir(join(folder, '.unnamed'))).toEqual(['young']);
      await expect(new FolderBlobStore(join(folder, 'new')).removeAbandoned(now)).resolves.toBeUndefined();
    });
  });
});
