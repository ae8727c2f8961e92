/** Tokens from Google, by its own library: a service account's, or whatever this machine is known by (ADC). */

import { type AuthClient, GoogleAuth, JWT } from 'google-auth-library';
import { objectOf, textOf } from '../../domain/lenient.ts';
import { scrub } from '../../domain/scrub.ts';
import type { Clock } from '../../ports/clock.ts';
import { CredentialsError } from '../genai/credentials-error.ts';
import { reasonOf } from '../http/exchange.ts';
import { type Token, TokenError } from './tokens.ts';

const SCOPES = ['https://www.googleapis.com/auth/cloud-platform'];
/** The library knows one endpoint, whatever the credentials say. */
const TOKEN_URL = 'https://oauth2.googleapis.com/token';
/** One fetch, in ms, its retries included. */
const FETCH_MS = 20_000;
/** What a token without a told end is taken to live. */
const LIFE_MS = 30 * 60_000;

export type ServiceAccount = { clientEmail: string; privateKey: string; keyId?: string; tokenUrl: string };

/** Reads the JSON text of a service account's key. @throws TypeError that names what is missing, and nothing of what is there */
export function readServiceAccount(json: string): ServiceAccount {
  const key = objectOf(parsed(json));
  const clientEmail = textOf(key['client_email']);
  const privateKey = textOf(key['private_key']);
  if (!clientEmail)
    throw new TypeError('the service account has no client_email: give the JSON key as Google wrote it');
  if (!privateKey) throw new TypeError('the service account has no private_key: give the JSON key as Google wrote it');
  const keyId = textOf(key['private_key_id']);
  const tokenUrl = tokenUrlOf(textOf(key['token_uri']) ?? TOKEN_URL);
  return { clientEmail, privateKey, tokenUrl, ...(keyId && { keyId }) };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new TypeError('the service account is not JSON: give the JSON key as Google wrote it');
  }
}

function tokenUrlOf(text: string): string {
  const url = URL.parse(text);
  const safe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && /^(127\.|localhost$|\[::1\])/.test(url.hostname));
  if (!safe) throw new TypeError('the token_uri of the service account must begin with https://');
  return text;
}

/** Gets a service account's tokens. */
export function fromServiceAccount(account: ServiceAccount, clock: Clock): () => Promise<Token> {
  const { clientEmail, privateKey, keyId, tokenUrl } = account;
  return () => {
    const signal = AbortSignal.timeout(FETCH_MS);
    const client = new JWT({
      email: clientEmail,
      key: privateKey,
      scopes: SCOPES,
      ...(keyId && { keyId }),
      transporterOptions: { fetchImplementation: (url, init) => fetch(redirected(url, tokenUrl), { ...init, signal }) },
    });
    return tokenOf(async () => client, clock);
  };
}

function redirected(url: Parameters<typeof fetch>[0], tokenUrl: string): Parameters<typeof fetch>[0] {
  return !(url instanceof Request) && url.toString() === TOKEN_URL ? tokenUrl : url;
}

/** Gets tokens by the application default credentials of this machine. */
export function fromThisMachine(clock: Clock): () => Promise<Token> {
  // Each time anew: the library keeps a token, also one that was refused.
  return () => tokenOf(() => new GoogleAuth({ scopes: SCOPES }).getClient(), clock);
}

async function tokenOf(open: () => Promise<AuthClient>, clock: Clock): Promise<Token> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new TokenError(`none came within ${FETCH_MS} ms`)), FETCH_MS);
  try {
    return await Promise.race([fetchFrom(open, clock), late.promise]);
  } catch (error) {
    if (error instanceof TokenError) throw error;
    const reason = scrub(reasonOf(error)) ?? 'nobody said why';
    const http = refusalOf(error, reason);
    throw http === undefined ? new TokenError(reason) : new CredentialsError(reason, http);
  } finally {
    clearTimeout(timer);
  }
}

async function fetchFrom(open: () => Promise<AuthClient>, clock: Clock): Promise<Token> {
  const client = await open();
  const { token } = await client.getAccessToken();
  if (!token) throw new TokenError('the answer held none');
  return { value: token, expiresAt: client.credentials.expiry_date ?? clock.now() + LIFE_MS };
}

const REFUSALS: ReadonlySet<unknown> = new Set([400, 401, 403]);
/** Told with the status of a refusal, and over by itself. */
const PASSING = /temporarily_unavailable|server_error|internal_failure|rate_?limit|quota/i;
/** This machine's clock is wrong: the same key is good for the others, and no channel of theirs must go out for it. */
const CLOCK = /\biat and exp\b/i;

/** The status that the credentials were refused with; `undefined` for whatever may pass, or is no fault of theirs. */
function refusalOf(error: unknown, reason: string): number | undefined {
  const { status, response } = objectOf(error);
  const { error: told } = objectOf(objectOf(response)['data']);
  const words = textOf(told) ?? textOf(objectOf(told)['status']);
  if (typeof status !== 'number' || !REFUSALS.has(status)) return undefined;
  // Without an error in it, a 400 was not written by whoever knows the credentials.
  if (status === 400 && words === undefined) return undefined;
  return PASSING.test(words ?? '') || CLOCK.test(reason) ? undefined : status;
}
