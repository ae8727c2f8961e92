/** Google's error answers: one envelope, the texts as they were seen on the wire. */

export type GoogleStatus =
  | 'INVALID_ARGUMENT'
  | 'UNAUTHENTICATED'
  | 'FAILED_PRECONDITION'
  | 'PERMISSION_DENIED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'RESOURCE_EXHAUSTED'
  | 'CANCELLED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DEADLINE_EXCEEDED';

export type Detail = { '@type': string; [field: string]: unknown };

/** One whole error answer, before it is written. */
export type Refusal = {
  http: number;
  status: GoogleStatus;
  message: string;
  details?: Detail[];
  /** For modes that have words of their own for it; Google's body does not show it. */
  about?: 'key' | 'model' | 'credits' | 'content' | 'path';
  /** The reason of a blocked content, or the name of the parameter at fault. */
  reason?: string;
};

/** The request ends here with an error answer. */
export class GoogleError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.name = 'GoogleError';
    this.refusal = refusal;
  }
}

/** The body of a refusal. */
export function toErrorBody({ http, status, message, details }: Refusal): { error: Record<string, unknown> } {
  return { error: { code: http, message, status, ...(details && { details }) } };
}

/** A `google.rpc` detail. */
export function detail(type: string, fields: Record<string, unknown>): Detail {
  return { '@type': `type.googleapis.com/google.rpc.${type}`, ...fields };
}

export function invalidArgument(message: string, details?: Detail[]): Refusal {
  return { http: 400, status: 'INVALID_ARGUMENT', message, ...(details && { details }) };
}

export function modelNotFound(model: string, version: string): Refusal {
  return {
    http: 404,
    status: 'NOT_FOUND',
    about: 'model',
    message:
      `models/${model} is not found for API version ${version}, or is not supported for generateContent. ` +
      'Call ListModels to see the list of available models and their supported methods.',
  };
}

export function pathNotFound(path: string): Refusal {
  return {
    http: 404,
    status: 'NOT_FOUND',
    about: 'path',
    message: `The requested URL ${path} was not found on this server.`,
  };
}

/** The answer to a file that expired, was never there, or belongs to another project: Google tells none from the other. */
export function fileForbidden(id: string): Refusal {
  return {
    http: 403,
    status: 'PERMISSION_DENIED',
    message: `You do not have permission to access the File ${id} or it may not exist.`,
  };
}

/** The answer to a batch, upload or webhook that is not there. */
export const ENTITY_NOT_FOUND: Refusal = { http: 404, status: 'NOT_FOUND', message: 'Requested entity was not found.' };

const SERVICE = 'generativelanguage.googleapis.com';

const keyInvalid = (reason: string, message: string): Refusal => ({
  ...invalidArgument(message, [
    detail('ErrorInfo', { reason, domain: 'googleapis.com', metadata: { service: SERVICE } }),
    detail('LocalizedMessage', { locale: 'en-US', message }),
  ]),
  about: 'key',
});

/** What is wrong with an API key, told by its first letters. `undefined` = nothing. */
export function keyRefusal(key: string): Refusal | undefined {
  if (key === '') return KEY_MISSING;
  if (key.startsWith('invalid')) return KEY_INVALID;
  if (key.startsWith('expired')) return KEY_EXPIRED;
  return key.startsWith('leaked') ? KEY_LEAKED : undefined;
}

export const KEY_INVALID = keyInvalid('API_KEY_INVALID', 'API key not valid. Please pass a valid API key.');
export const KEY_EXPIRED = keyInvalid('API_KEY_EXPIRED', 'API key expired. Please renew the API key.');
export const KEY_LEAKED: Refusal = {
  http: 403,
  status: 'PERMISSION_DENIED',
  about: 'key',
  message: 'Your API key was reported as leaked. Please use another API key.',
};
const KEY_MISSING: Refusal = {
  http: 403,
  status: 'PERMISSION_DENIED',
  about: 'key',
  message:
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other " +
    'form of API consumer identity to call this API.',
};
