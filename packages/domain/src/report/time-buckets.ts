/** No value that is read from a bucket is further from what was put in than this part of it. */
export const BUCKET_ERROR = 0.01

// The buckets of DDSketch (Masson, Rim and Lee, VLDB 2019): each is this much wider than the one before it.
const GAMMA = (1 + BUCKET_ERROR) / (1 - BUCKET_ERROR)
const LOG_GAMMA = Math.log(GAMMA)

/** The bucket that a number of milliseconds falls into; 0 for less than one. A century fits into 1,442 of them. */
export function bucketOf(ms: number): number {
  return ms < 1 ? 0 : Math.ceil(Math.log(ms) / LOG_GAMMA) + 1
}

/** The milliseconds that a bucket stands for. */
export function valueOfBucket(bucket: number): number {
  return bucket <= 0 ? 0 : (2 * GAMMA ** (bucket - 1)) / (GAMMA + 1)
}
