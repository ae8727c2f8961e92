/** The error answers a fault script can ask for, by kind. */
import {
  ENTITY_NOT_FOUND,
  fileForbidden,
  invalidArgument,
  KEY_EXPIRED,
  KEY_INVALID,
  KEY_LEAKED,
  modelNotFound,
  type Refusal,
} from '../http/google-error.ts';
import { NO_CREDITS, TOKEN_REFUSED } from '../http/other-errors.ts';
import { QUOTA_KINDS, QUOTA_REFUSALS } from '../quota-errors.ts';

const PLAIN_KINDS = [
  'overloaded',
  'model_overloaded',
  'unavailable',
  'deadline_503',
  'deadline_504',
  'internal',
  'bad_gateway',
  'payload_too_large',
  'gateway_timeout',
  'unauthenticated',
  'no_credits',
  'cancelled',
  'model_not_found',
  'file_forbidden',
  'not_found',
  'permission_denied',
  'key_invalid',
  'key_expired',
  'key_leaked',
  'unknown_field',
  'invalid_argument',
  'bad_image',
  'missing_signature',
  'location',
  'billing_needed',
] as const;

export const REFUSAL_KINDS = [...PLAIN_KINDS, ...QUOTA_KINDS] as const;
export type RefusalKind = (typeof REFUSAL_KINDS)[number];

type Example = { model: string; version: string; retryMs?: number };

const DEADLINE = 'Deadline expired before operation could complete.';

const unavailable = (message: string): Refusal => ({ http: 503, status: 'UNAVAILABLE', message });
const precondition = (message: string): Refusal => ({ http: 400, status: 'FAILED_PRECONDITION', message });

const PLAIN: Readonly<Record<(typeof PLAIN_KINDS)[number], Refusal | ((example: Example) => Refusal)>> = {
  overloaded: unavailable(
    'This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later.',
  ),
  model_overloaded: unavailable('The model is overloaded. Please try again later.'),
  unavailable: unavailable('The service is currently unavailable.'),
  deadline_503: unavailable(DEADLINE),
  deadline_504: { http: 504, status: 'DEADLINE_EXCEEDED', message: DEADLINE },
  internal: {
    http: 500,
    status: 'INTERNAL',
    message:
      'An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting',
  },
  bad_gateway: { http: 502, status: 'UNAVAILABLE', message: 'Bad Gateway' },
  payload_too_large: { http: 413, status: 'INVALID_ARGUMENT', message: 'Request Entity Too Large' },
  gateway_timeout: { http: 524, status: 'DEADLINE_EXCEEDED', message: 'A timeout occurred' },
  unauthenticated: TOKEN_REFUSED,
  no_credits: NO_CREDITS,
  cancelled: { http: 499, status: 'CANCELLED', message: 'The operation was cancelled.' },
  model_not_found: ({ model, version }) => modelNotFound(model, version),
  file_forbidden: fileForbidden('abc123def456'),
  not_found: ENTITY_NOT_FOUND,
  permission_denied: { http: 403, status: 'PERMISSION_DENIED', message: 'The caller does not have permission' },
  key_invalid: KEY_INVALID,
  key_expired: KEY_EXPIRED,
  key_leaked: KEY_LEAKED,
  unknown_field: invalidArgument(
    'Invalid JSON payload received. Unknown name "imageSizes" at \'generation_config.image_config\': Cannot find field.',
  ),
  invalid_argument: invalidArgument('Request contains an invalid argument.'),
  bad_image: invalidArgument(
    'Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting',
  ),
  missing_signature: invalidArgument(missingSignature(2, 1)),
  location: precondition('User location is not supported for the API use.'),
  billing_needed: precondition(
    'Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio.',
  ),
};

/** The words of the 400 for a model's image sent back without its signature. Positions count from 1. */
export function missingSignature(content: number, part: number): string {
  return (
    `Image part is missing a thought_signature in content position ${content}, part position ${part}. ` +
    'Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures#model-behavior for more details.'
  );
}

/** The error answer of a kind, with the model's name where Google's carries it. */
export function refusalOf(kind: RefusalKind, example: Example): Refusal {
  if (isQuotaKind(kind)) return QUOTA_REFUSALS[kind](example);
  const refusal = PLAIN[kind];
  return typeof refusal === 'function' ? refusal(example) : refusal;
}

function isQuotaKind(kind: RefusalKind): kind is (typeof QUOTA_KINDS)[number] {
  return (QUOTA_KINDS as readonly string[]).includes(kind);
}
