import { resolve } from 'node:path'
import type { BlobStore } from './blob-store.ts'
import { FolderStore } from './folder-store.ts'
import { S3Store } from './s3-store.ts'

/** The part of the environment that says where blobs are kept. */
export type BlobSettings = {
  PARLEY_DATA_DIR: string
  PARLEY_BLOB_DIR?: string | undefined
  PARLEY_S3_BUCKET?: string | undefined
  PARLEY_S3_ENDPOINT?: string | undefined
  PARLEY_S3_REGION: string
  PARLEY_S3_ACCESS_KEY_ID?: string | undefined
  PARLEY_S3_SECRET_ACCESS_KEY?: string | undefined
}

/** A bucket where one is named, else a folder. Nothing is connected or written before the first use. */
export function openBlobStore(settings: BlobSettings): BlobStore {
  const { PARLEY_S3_BUCKET: bucket, PARLEY_S3_ENDPOINT: endpoint, PARLEY_S3_REGION: region } = settings
  if (!bucket) return new FolderStore(resolve(settings.PARLEY_BLOB_DIR ?? `${settings.PARLEY_DATA_DIR}/blobs`))
  const { PARLEY_S3_ACCESS_KEY_ID: accessKeyId, PARLEY_S3_SECRET_ACCESS_KEY: secretAccessKey } = settings
  const credentials = accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined
  return new S3Store({ bucket, endpoint, region, credentials })
}
