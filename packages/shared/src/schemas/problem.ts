/** RFC 9457 problem details: how every error looks on the wire. */

import { z } from 'zod';
import type { ErrorCode } from '../domain/index.ts';

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    category: z.string(),
    detail: z.string(),
    retryable: z.boolean(),
    param: z.string().optional(),
    fix: z.string().optional(),
    errors: z
      .array(
        z.object({
          path: z.string(),
          message: z.string(),
          line: z.int().optional(),
          key: z.string().optional(),
          code: z.string().optional(),
        }),
      )
      .optional(),
    errors_url: z.string().optional().meta({ description: 'All errors of a batch as CSV, for a day.' }),
    counts: z.record(z.string(), z.int()).optional().meta({ description: 'Rows of a refused batch.' }),
    request_id: z.string(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof Problem>;

export type ErrorFacts = { status: number; category: string; title: string };

/** Exhaustive: a new code fails to compile until it has a status and a category. */
export const ERROR_FACTS: Record<ErrorCode, ErrorFacts> = {
  invalid_request: { status: 400, category: 'invalid', title: 'Invalid request' },
  invalid_rows: { status: 422, category: 'invalid', title: 'Invalid rows' },
  request_timeout: { status: 408, category: 'invalid', title: 'Request timeout' },
  unsupported_size: { status: 422, category: 'invalid', title: 'Unsupported size' },
  unsupported_aspect_ratio: { status: 422, category: 'invalid', title: 'Unsupported aspect ratio' },
  too_many_references: { status: 422, category: 'invalid', title: 'Too many references' },
  unsupported_media: { status: 422, category: 'invalid', title: 'Unsupported media' },
  idempotency_key_reused: { status: 422, category: 'invalid', title: 'Idempotency key reused' },
  payload_too_large: { status: 413, category: 'invalid', title: 'Payload too large' },
  model_retired: { status: 410, category: 'invalid', title: 'Model retired' },
  not_found: { status: 404, category: 'invalid', title: 'Not found' },
  conflict: { status: 409, category: 'invalid', title: 'Conflict' },
  unsupported_content_type: { status: 415, category: 'invalid', title: 'Unsupported content type' },
  max_cost_exceeded: { status: 422, category: 'limit', title: 'Max cost exceeded' },
  unauthenticated: { status: 401, category: 'auth', title: 'Unauthenticated' },
  forbidden: { status: 403, category: 'auth', title: 'Forbidden' },
  rate_limited: { status: 429, category: 'limit', title: 'Rate limited' },
  queue_full: { status: 503, category: 'limit', title: 'Queue full' },
  not_ready: { status: 503, category: 'limit', title: 'Not ready' },
  upstream_auth: { status: 502, category: 'auth', title: 'Provider refused the key' },
  upstream_rate_limited: { status: 503, category: 'upstream_rate', title: 'Provider rate limit' },
  upstream_overloaded: { status: 503, category: 'upstream_rate', title: 'Provider overloaded' },
  upstream_quota_exhausted: { status: 503, category: 'upstream_quota', title: 'Provider quota exhausted' },
  upstream_unavailable: { status: 502, category: 'upstream_transient', title: 'Provider unavailable' },
  upstream_unreachable: { status: 502, category: 'upstream_transient', title: 'Provider unreachable' },
  upstream_rejected: { status: 422, category: 'invalid', title: 'Provider rejected the request' },
  outcome_unknown: { status: 502, category: 'upstream_transient', title: 'Outcome unknown' },
  content_blocked: { status: 422, category: 'safety', title: 'Content blocked' },
  no_image: { status: 422, category: 'no_image', title: 'No image' },
  storage_unavailable: { status: 503, category: 'storage', title: 'Storage unavailable' },
  object_conflict: { status: 500, category: 'storage', title: 'Object conflict' },
  record_unreadable: { status: 500, category: 'internal', title: 'Record unreadable' },
  deadline_exceeded: { status: 422, category: 'deadline', title: 'Deadline exceeded' },
  canceled: { status: 409, category: 'canceled', title: 'Canceled' },
  internal: { status: 500, category: 'internal', title: 'Internal error' },
};

/** What a caller can do about an error that names no fix of its own. */
export const FIXES: Partial<Record<ErrorCode, string>> = {
  invalid_request: 'See /openapi.json for every field and what it may hold.',
  invalid_rows: 'Correct the rows named in errors; errors_url leads to all of them.',
  request_timeout: 'Send it again over a faster connection.',
  unsupported_media: 'Send a PNG, JPEG or WebP image.',
  unsupported_content_type: 'Send JSON with `Content-Type: application/json`.',
  too_many_references: 'Send fewer references.',
  payload_too_large: 'Send less at once.',
  not_found: 'Check the id; a key sees only what belongs to its tenant.',
  conflict: 'Read it again to see how it stands now.',
  content_blocked: 'Rephrase the prompt; blocked prompts are not retried.',
  no_image: 'Say plainly what the picture shows, or try again.',
  upstream_auth: 'The operator must check GEMINI_API_KEY.',
  upstream_quota_exhausted: 'Wait for the daily quota to start anew, or raise it.',
  outcome_unknown: 'POST /v1/jobs/{id}/retry makes it again; look at your bill for the call in doubt.',
  record_unreadable: 'The operator finds it by its id in the log, as record.unreadable.',
  deadline_exceeded: 'Submit again with a later deadline.',
  queue_full: 'Wait as long as Retry-After says, then send it again with the same Idempotency-Key.',
  not_ready: 'Wait as long as Retry-After says, then send it again with the same Idempotency-Key.',
};
