export { type Blob, BlobMissing, type BlobSource, type BlobStore, type ByteRange, parseBlobKey } from './blob-store.ts'
export { bounded, peek, TooManyBytes } from './bounded.ts'
export { type Claim, HEAD_BYTES, judgeContent, type Verdict } from './judge-content.ts'
export { openBlobStore } from './open-blob-store.ts'
