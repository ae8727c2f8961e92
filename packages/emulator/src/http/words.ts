/** Error answers as each mode writes them: the refusal is Google's, the envelope and the words are not. */
import type { Mode } from '../mode.ts';
import { type Refusal, toErrorBody } from './google-error.ts';
import { tokenRefused } from './other-errors.ts';

/** What an error answer may tell of the call it ends. */
export type Told = { model: string; requestId: string; now: number };

export type Spoken = { http: number; body: unknown; headers: Record<string, string> };

/** One error answer, as a client of `mode` sees it. */
export function spokenIn(mode: Mode, refusal: Refusal, told: Told): Spoken {
  return SPEAKERS[mode](refusal, told);
}

const asGoogle = (refusal: Refusal): Spoken => ({ http: refusal.http, body: toErrorBody(refusal), headers: {} });

const SPEAKERS: Readonly<Record<Mode, (refusal: Refusal, told: Told) => Spoken>> = {
  gemini: asGoogle,
  vertex: (refusal) => asGoogle(asVertex(refusal)),
  compatible: (refusal) => ({ ...asGoogle(refusal), body: [toErrorBody(refusal)] }),
  openrouter: asOpenRouter,
  openai: asOpenAi,
  relay: asRelay,
};

function asVertex(refusal: Refusal): Refusal {
  if (refusal.about !== 'key' || refusal.http === 401) return refusal;
  return tokenRefused('ACCESS_TOKEN_TYPE_UNSUPPORTED');
}

const PROVIDER = 'Google AI Studio';

function asOpenRouter(refusal: Refusal, told: Told): Spoken {
  const { http, about, message } = refusal;
  const error = (code: number, text: string, metadata?: object) => ({
    http: code,
    body: { error: { message: text, code, ...(metadata && { metadata }) } },
    headers: {},
  });
  if (about === 'key') return error(401, 'User not found.');
  if (about === 'model') return error(400, `${told.model} is not a valid model ID`);
  if (about === 'credits' || about === 'path') return error(http, message);
  if (about === 'content') {
    return error(403, 'Your input was flagged by the moderation of the model.', {
      reasons: [refusal.reason],
      flagged_input: '',
      provider_name: PROVIDER,
    });
  }
  const limited = limitOf(refusal);
  if (!limited) return error(http, 'Provider returned error', { raw: rawOf(refusal), provider_name: PROVIDER });
  const headers = {
    'X-RateLimit-Limit': String(limited.value),
    'X-RateLimit-Remaining': '0',
    'X-RateLimit-Reset': String(told.now + limited.retryMs),
  };
  return { ...error(429, 'Rate limit exceeded', { headers, provider_name: null }), headers };
}

function asOpenAi(refusal: Refusal, told: Told): Spoken {
  const { http, about, message } = refusal;
  const error = (code: number, fields: { message?: string; type?: string; param?: string; code?: string }) => ({
    http: code,
    body: { error: { message, type: 'invalid_request_error', param: null, code: null, ...fields } },
    headers: { 'x-request-id': told.requestId },
  });
  if (about === 'key') {
    const page = 'https://platform.openai.com/account/api-keys';
    return error(401, {
      message: `Incorrect API key provided. You can find your API key at ${page}.`,
      code: 'invalid_api_key',
    });
  }
  if (about === 'model') {
    return error(404, {
      message: `The model '${told.model}' does not exist or you do not have access to it.`,
      param: 'model',
      code: 'model_not_found',
    });
  }
  if (about === 'content') return error(400, { type: 'image_generation_user_error', code: 'moderation_blocked' });
  if (http === 429) return asOpenAiLimit(refusal, told);
  if (http >= 500) return error(http, { type: 'server_error', message: SERVER_ERROR + told.requestId });
  return error(http, refusal.reason === undefined ? {} : { param: refusal.reason });
}

const SERVER_ERROR =
  'The server had an error while processing your request. Sorry about that! You can retry your request, or contact us ' +
  'through our help center at help.openai.com if the error persists. Please include the request ID ';
const NO_MONEY =
  'You exceeded your current quota, please check your plan and billing details. For more information on this error, ' +
  'read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.';

function asOpenAiLimit(refusal: Refusal, told: Told): Spoken {
  const ids = { 'x-request-id': told.requestId };
  const limited = limitOf(refusal);
  if (!limited) {
    const error = { message: NO_MONEY, type: 'insufficient_quota', param: null, code: 'insufficient_quota' };
    return { http: 429, body: { error }, headers: ids };
  }
  const { value, retryMs } = limited;
  const seconds = Math.max(1, Math.ceil(retryMs / 1000));
  const message =
    `Rate limit reached for ${told.model} in organization org-emulator: Limit ${value}, Used ${value}, Requested 1. ` +
    `Please try again in ${seconds}s. Visit https://platform.openai.com/account/rate-limits to learn more.`;
  return {
    http: 429,
    body: { error: { message, type: 'requests', param: null, code: 'rate_limit_exceeded' } },
    headers: {
      ...ids,
      'retry-after': String(seconds),
      'x-ratelimit-limit-requests': String(value),
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': `${seconds}s`,
    },
  };
}

function asRelay(refusal: Refusal, { model, requestId }: Told): Spoken {
  const error = (http: number, text: string, type: string, code: string) => ({
    http,
    body: { error: { message: `${text} (request id: ${requestId})`, type, code } },
    headers: {},
  });
  const { http, about, message } = refusal;
  if (about === 'key') return error(401, 'Invalid token', 'new_api_error', '');
  if (about === 'model') {
    const text = `No available channel for model ${model} under group default (distributor)`;
    return error(503, text, 'new_api_error', 'model_not_found');
  }
  if (http === 429) {
    return error(429, 'The upstream load of this group is saturated, please try again later', 'upstream_error', '429');
  }
  if (http >= 500) {
    return error(http, `bad response status code ${http}`, 'upstream_error', 'bad_response_status_code');
  }
  return error(http, message, 'upstream_error', refusal.status.toLowerCase());
}

function rawOf(refusal: Refusal): string {
  return JSON.stringify(toErrorBody(refusal), undefined, 2);
}

/** The limit that a refusal names, if it does, and how long it lasts. */
function limitOf({ details = [] }: Refusal): { value: number; retryMs: number } | undefined {
  const quota = details.find(({ '@type': type }) => type.endsWith('QuotaFailure'));
  const retry = details.find(({ '@type': type }) => type.endsWith('RetryInfo'));
  const [violation] = Array.isArray(quota?.['violations']) ? quota['violations'] : [];
  if (!violation) return undefined;
  return { value: Number(violation.quotaValue), retryMs: spanOf(retry?.['retryDelay']) };
}

function spanOf(delay: unknown): number {
  return typeof delay === 'string' ? Number.parseFloat(delay) * 1000 : 0;
}
