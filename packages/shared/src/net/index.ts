export { isPublicAddress } from './address.ts';
export { createUrlCheck, type GuardOptions, localToo } from './guard.ts';
export type { Connect } from './pin.ts';
export { createLookup, type Lookup, type LookupOptions } from './resolve.ts';
export {
  createSafeFetch,
  type Download,
  type DownloadOptions,
  type SafeFetch,
} from './safe-fetch.ts';
export { createSafePost, POST_HEADERS, type SafePost } from './safe-post.ts';
