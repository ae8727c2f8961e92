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

/**
 * Exhaustive: a new code fails to compile until it has a status and a category.
 *
 * 400 is a request that is wrong whatever the model and whoever asks; 422 is right in form, but not to be had from the
 * model it names, or at odds with what was asked before.
 */
export const ERROR_FACTS: Record<ErrorCode, ErrorFacts> = {
  invalid_request: { status: 400, category: 'invalid', title: 'Invalid request' },
  invalid_rows: { status: 422, category: 'invalid', title: 'Invalid rows' },
  request_timeout: { status: 408, category: 'invalid', title: 'Request timeout' },
  unsupported_size: { status: 422, category: 'invalid', title: 'Unsupported size' },
  unsupported_aspect_ratio: { status: 422, category: 'invalid', title: 'Unsupported aspect ratio' },
  unsupported_thinking: { status: 422, category: 'invalid', title: 'Unsupported thinking' },
  unsupported_tool: { status: 422, category: 'invalid', title: 'Unsupported tool' },
  too_many_references: { status: 422, category: 'invalid', title: 'Too many references' },
  unsupported_media: { status: 422, category: 'invalid', title: 'Unsupported media' },
  no_channel: { status: 422, category: 'invalid', title: 'No channel' },
  idempotency_key_reused: { status: 422, category: 'invalid', title: 'Idempotency key reused' },
  payload_too_large: { status: 413, category: 'invalid', title: 'Payload too large' },
  model_retired: { status: 410, category: 'invalid', title: 'Model retired' },
  not_found: { status: 404, category: 'invalid', title: 'Not found' },
  method_not_allowed: { status: 405, category: 'invalid', title: 'Method not allowed' },
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

const LATER = 'Make it again later: POST /v1/jobs/{id}/retry.';
const OFFERS = 'GET /v1/models lists what each model offers';

/** What can be done about an error that names no fix of its own; exhaustive as well. */
export const FIXES: Record<ErrorCode, string> = {
  invalid_request: 'See /openapi.json for every field and what it may hold.',
  invalid_rows: 'Correct the rows named in errors; errors_url leads to all of them.',
  request_timeout: 'Send it again over a faster connection.',
  unsupported_size: `Choose another size or model: ${OFFERS}.`,
  unsupported_aspect_ratio: `Choose another aspect ratio or model: ${OFFERS}.`,
  unsupported_thinking: `Choose another level or model: ${OFFERS}.`,
  unsupported_tool: `Leave tools out, or choose another model: ${OFFERS}.`,
  too_many_references: `Send fewer references, or choose another model: ${OFFERS}.`,
  unsupported_media: 'Send a PNG, JPEG or WebP image.',
  no_channel:
    'Change what errors name, or choose another model: GET /v1/channels lists what each channel carries, which the operator decides.',
  idempotency_key_reused: 'Send the first body again, or choose a new key or id.',
  payload_too_large: 'Upload images with POST /v1/assets and name them by id; split what is longer than one request.',
  model_retired: 'Choose a model of GET /v1/models.',
  unsupported_content_type: 'Send JSON with `Content-Type: application/json`.',
  not_found: 'Check the id; a key sees only what belongs to its tenant.',
  method_not_allowed: 'Use a method that the header Allow names.',
  conflict: 'Read it again to see how it stands now.',
  unauthenticated: 'Send a key as `Authorization: Bearer dk_…` or `x-api-key: dk_…`.',
  forbidden: 'Use a key with that scope; one with the scope admin makes others by POST /v1/keys.',
  rate_limited: 'Wait as long as Retry-After says, then send it again.',
  queue_full: 'Wait as long as Retry-After says, then send it again with the same Idempotency-Key.',
  not_ready: 'Wait as long as Retry-After says, then send it again with the same Idempotency-Key.',
  max_cost_exceeded: 'Raise max_cost, or choose a smaller size or a cheaper model.',
  upstream_auth: 'The operator must check the credentials of the channel: npm run doctor.',
  upstream_rate_limited: `${LATER} The operator can raise the limit at the provider, or add a channel.`,
  upstream_overloaded: `${LATER} Or submit it for another model.`,
  upstream_quota_exhausted: 'Wait for the daily quota to start anew, or raise it.',
  upstream_unavailable: LATER,
  upstream_rejected:
    'Change what upstream.message names, and submit it as a new job. If it is an object that may not be read, the operator must give the Vertex service agent (service-PROJECT_NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com) the role Storage Object Viewer on its bucket.',
  upstream_unreachable: `${LATER} The operator must check the way to the provider: npm run doctor.`,
  outcome_unknown: 'POST /v1/jobs/{id}/retry makes it again; look at your bill for the call in doubt.',
  content_blocked: 'Rephrase the prompt; blocked prompts are not retried.',
  no_image: 'Say plainly what the picture shows, or try again.',
  storage_unavailable:
    'The operator must look after STORAGE_URL; images that are paid for wait in the spool meanwhile.',
  object_conflict:
    'The operator must look at the object named: somebody else wrote to this store, and nothing was overwritten.',
  record_unreadable: 'The operator finds it by its id in the log, as record.unreadable.',
  deadline_exceeded: 'Submit again with a later deadline.',
  canceled: 'POST /v1/jobs/{id}/retry makes it as a new job, if it is wanted after all.',
  internal: 'Send it again; if it stays, give the operator the request_id: the log has it.',
};
