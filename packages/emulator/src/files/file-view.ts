/** A file as the Files API shows it. */
import { timestamp } from '../clock.ts';
import type { StoredFile } from './file-store.ts';

/** @param base where the emulator was reached, without a slash at its end */
export function toFileView(file: StoredFile, now: number, base: string): Record<string, unknown> {
  const uri = `${base}/v1beta/files/${file.id}`;
  return {
    name: `files/${file.id}`,
    ...(file.displayName !== undefined && { displayName: file.displayName }),
    mimeType: file.mimeType,
    ...(file.sizeBytes !== undefined && { sizeBytes: String(file.sizeBytes) }),
    createTime: timestamp(file.createdAt),
    updateTime: timestamp(file.createdAt),
    expirationTime: timestamp(file.expiresAt),
    // Base64 of the digest's hexadecimal letters, not of its bytes: Google's own oddity.
    ...(file.sha256Hex !== undefined && { sha256Hash: Buffer.from(file.sha256Hex).toString('base64') }),
    uri,
    ...(file.source === 'GENERATED' && { downloadUri: `${uri}:download?alt=media` }),
    state: isActive(file, now) ? 'ACTIVE' : 'PROCESSING',
    source: file.source,
  };
}

/** The file can be used. */
export function isActive({ activeAt }: StoredFile, now: number): boolean {
  return activeAt <= now;
}
