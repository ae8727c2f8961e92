import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { CrashPoint } from '@darkroom/shared/observability';

/** Marks the moment a paid request's last byte went to its socket, which only the HTTP client sees. @returns ends that */
export function markSent(crash: CrashPoint): () => void {
  const channel = 'undici:request:bodySent';
  const look = (message: unknown) => {
    const { request } = message as { request: { path?: unknown } };
    if (String(request.path).endsWith(':generateContent')) crash('attempt.sent');
  };
  subscribe(channel, look);
  return () => unsubscribe(channel, look);
}
