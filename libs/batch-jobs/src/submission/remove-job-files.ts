import type { BlobStore } from '@app/blob-store';
import { jobPrefix } from '../records/chunk-keys';

const AT_ONCE = 500;

/** Deletes every file of a job. Throws storage_unavailable; what is left then is found by the clean-up. */
export async function removeJobFiles(blobs: BlobStore, jobId: string): Promise<void> {
  let keys: string[] = [];
  for await (const { key } of blobs.list(jobPrefix(jobId))) {
    keys.push(key);
    if (keys.length < AT_ONCE) continue;
    await blobs.delete(keys);
    keys = [];
  }
  await blobs.delete(keys);
}
