export { BlobStore, checkedKey } from './blob-store';
export type { BlobRange, ListedBlob, StoredBlob } from './blob-store';
export { FolderBlobStore } from './folder-blob-store';
export { BlobStoreModule } from './blob-store.module';
export type { BlobStoreOptions } from './blob-store.module';
