export { isPublicAddress } from './address.ts';
export type { Connect } from './pin.ts';
export { createLookup, type Lookup, type LookupOptions } from './resolve.ts';
export {
  createSafeFetch,
  type Download,
  type DownloadOptions,
  type SafeFetch,
  type SafeFetchOptions,
} from './safe-fetch.ts';
