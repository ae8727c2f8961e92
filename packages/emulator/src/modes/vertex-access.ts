/** Who may call Vertex, and what the others are told. */
import { detail, type Refusal } from '../http/google-error.ts';
import { TOKEN_MISSING, tokenRefused } from '../http/other-errors.ts';
import { type Accounts } from './accounts.ts';

/** What is wrong with a token for a resource of `project`, or for one that anybody may see; `undefined` = nothing. */
export function tokenRefusal(
  accounts: Accounts,
  token: string,
  project: string | undefined,
  resource: string,
): Refusal | undefined {
  if (token === '') return TOKEN_MISSING;
  const standing = accounts.standing(token, project ?? '');
  if (standing === 'unknown') return tokenRefused('ACCESS_TOKEN_TYPE_UNSUPPORTED');
  if (standing === 'expired') return tokenRefused('ACCESS_TOKEN_EXPIRED');
  return standing === 'of_another' && project !== undefined ? denied(resource) : undefined;
}

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
