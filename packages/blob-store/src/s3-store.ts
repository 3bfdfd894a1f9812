import { createReadStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { S3Client } from '@aws-sdk/client-s3'
import {
  type Blob,
  BlobMissing,
  type BlobSource,
  type BlobStore,
  type ByteRange,
  mustParseBlobKey,
} from './blob-store.ts'
import { removeLeftovers, spool } from './spool.ts'

export type S3Options = {
  bucket: string
  /** Of a service other than Amazon's. */
  endpoint?: string | undefined
  region: string
  /** Without it the SDK looks where it always does: environment, shared files, the machine's role. */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined
}

const CONNECT_TIMEOUT_MS = 5_000
const IDLE_TIMEOUT_MS = 30_000

/** Blobs as objects of one bucket. The service is told length and checksum first, so what it has is whole. */
export class S3Store implements BlobStore {
  readonly #options: S3Options
  readonly #incoming = join(tmpdir(), 'parley-blobs')
  #loaded: ReturnType<typeof load> | undefined

  constructor(options: S3Options) {
    this.#options = options
  }

  async put(workspace_id: string, source: BlobSource, announce?: (blob: Blob) => Promise<void>): Promise<Blob> {
    const { path, discard, ...blob } = await spool(this.#incoming, workspace_id, source)
    try {
      await announce?.(blob)
      const { client, sdk } = await this.#load()
      const { key, sha256, byte_size } = blob
      await client.send(
        new sdk.PutObjectCommand({
          Bucket: this.#options.bucket,
          Key: key,
          Body: createReadStream(path),
          ContentLength: byte_size,
          ContentType: 'application/octet-stream',
          ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
        }),
      )
      return blob
    } finally {
      await discard()
    }
  }

  async open(key: string, range?: ByteRange): Promise<Readable> {
    mustParseBlobKey(key)
    const { client, sdk } = await this.#load()
    const Range = range && `bytes=${range.start}-${range.end}`
    try {
      const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: this.#options.bucket, Key: key, Range }))
      return Body as Readable
    } catch (error) {
      throw error instanceof sdk.NoSuchKey ? new BlobMissing(key, { cause: error }) : error
    }
  }

  async delete(key: string): Promise<void> {
    mustParseBlobKey(key)
    const { client, sdk } = await this.#load()
    await client.send(new sdk.DeleteObjectCommand({ Bucket: this.#options.bucket, Key: key }))
  }

  async tidy(before: Date): Promise<void> {
    await removeLeftovers(this.#incoming, before)
  }

  async check(): Promise<void> {
    const { client, sdk } = await this.#load()
    await client.send(new sdk.HeadBucketCommand({ Bucket: this.#options.bucket }))
  }

  #load() {
    this.#loaded ??= load(this.#options)
    return this.#loaded
  }
}

/** The SDK takes a while to load and 20 MB of memory, which nobody pays who keeps blobs in a folder. */
async function load({ endpoint, region, credentials }: S3Options) {
  const sdk = await import('@aws-sdk/client-s3')
  const client: S3Client = new sdk.S3Client({
    region,
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    ...(credentials ? { credentials } : {}),
    // Other services do not know the checksums that Amazon's SDK adds by itself.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: IDLE_TIMEOUT_MS },
  })
  return { sdk, client }
}
