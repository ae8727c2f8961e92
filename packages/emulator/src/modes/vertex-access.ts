/** Who may call Vertex, and what the others are told. */
import { detail, type Refusal } from '../http/google-error.ts';
import { TOKEN_REFUSED, VERTEX_SERVICE } from '../http/words.ts';
import { type Accounts } from './accounts.ts';

/** What is wrong with a token for a resource of `project`; `undefined` = nothing. */
export function tokenRefusal(
  accounts: Accounts,
  token: string,
  project: string,
  resource: string,
): Refusal | undefined {
  if (token === '') return TOKEN_MISSING;
  const standing = accounts.standing(token, project);
  if (standing === 'unknown') return withReason(TOKEN_REFUSED, 'ACCESS_TOKEN_TYPE_UNSUPPORTED');
  if (standing === 'expired') return withReason(TOKEN_REFUSED, 'ACCESS_TOKEN_EXPIRED');
  return standing === 'of_another' ? denied(resource) : undefined;
}

function withReason(refusal: Refusal, reason: string): Refusal {
  const info = { reason, domain: 'googleapis.com', metadata: VERTEX_SERVICE };
  return { ...refusal, details: [detail('ErrorInfo', info)] };
}

const TOKEN_MISSING = withReason(
  {
    ...TOKEN_REFUSED,
    message:
      'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid ' +
      'authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.',
  },
  'CREDENTIALS_MISSING',
);

const PERMISSION = 'aiplatform.endpoints.predict';

function denied(resource: string): Refusal {
  const info = {
    reason: 'IAM_PERMISSION_DENIED',
    domain: 'aiplatform.googleapis.com',
    metadata: { permission: PERMISSION, resource },
  };
  return {
    http: 403,
    status: 'PERMISSION_DENIED',
    message: `Permission '${PERMISSION}' denied on resource '//aiplatform.googleapis.com/${resource}' (or it may not exist).`,
    details: [detail('ErrorInfo', info)],
  };
}
