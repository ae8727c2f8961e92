/** How long a signed URL may live, and under which name its bytes are saved. */

export const LONGEST_SIGNED_MS = 24 * 60 * 60 * 1000;

/** @throws RangeError unless `expiresAt` lies ahead, by at most 24 hours. */
export function assertExpiry(expiresAt: number, now: number): void {
  if (!(expiresAt > now && expiresAt <= now + LONGEST_SIGNED_MS)) {
    throw new RangeError('a signed URL ends at a time ahead, at most 24 hours from now');
  }
}

// What browsers draw without running anything in it. Everything else is saved to disk, never opened in place.
const SHOWN = new Set(['image/png', 'image/jpeg', 'image/webp']);

/** The `Content-Disposition` (RFC 6266) of an object: images may be shown in place unless a name to save under is given. */
export function dispositionOf(contentType: string, downloadName?: string): string {
  if (downloadName === undefined) return SHOWN.has(contentType) ? 'inline' : 'attachment';
  const name = downloadName.replaceAll(/[\p{Cc}\p{Cs}/\\]/gu, '_').slice(0, 150);
  const ascii = name.replaceAll(/[^\x20-\x7e]|["%]/g, '_');
  const encoded = encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
