/** Credentials that are refused before any request: what a call, or a look, makes of that. */

import type { Answer } from '../../domain/answer.ts';

/** Who gives access to the API has refused the credentials: nothing can be sent until somebody mends them. */
export class CredentialsError extends Error {
  /** What was answered. */
  readonly http: number;
  constructor(reason: string, http: number) {
    super(`no access token: refused with ${http}: ${reason}`);
    this.name = 'CredentialsError';
    this.http = http;
  }
}

/**
 * The refusal as the API would have put it: so it is judged by the rules for a refused key, and ends a call like one. No
 * request was made, so that there is nothing to bill and nothing to doubt.
 */
export function asAnswer({ message }: CredentialsError): Answer {
  const error = { code: 401, status: 'UNAUTHENTICATED', message };
  return { httpStatus: 401, headers: {}, body: { error }, blobs: [], ms: 0 };
}
