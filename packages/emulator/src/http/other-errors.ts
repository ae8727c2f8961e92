/** Refusals that the Gemini API does not have, but others do. */
import { detail, type Refusal } from './google-error.ts';

const SIGN_IN = 'https://developers.google.com/identity/sign-in/web/devconsole-project';
const EXPECTED = `Expected OAuth 2 access token, login cookie or other valid authentication credential. See ${SIGN_IN}.`;

export const TOKEN_REFUSED: Refusal = {
  http: 401,
  status: 'UNAUTHENTICATED',
  about: 'key',
  message: `Request had invalid authentication credentials. ${EXPECTED}`,
};

export const TOKEN_MISSING: Refusal = {
  ...withReason(TOKEN_REFUSED, 'CREDENTIALS_MISSING'),
  message: `Request is missing required authentication credential. ${EXPECTED}`,
};

/** The answer to a token that is not good, with the reason in its details. */
export function tokenRefused(reason: string): Refusal {
  return withReason(TOKEN_REFUSED, reason);
}

function withReason(refusal: Refusal, reason: string): Refusal {
  const metadata = { service: 'aiplatform.googleapis.com' };
  return { ...refusal, details: [detail('ErrorInfo', { reason, domain: 'googleapis.com', metadata })] };
}

/** The answer to a project that has spent all it had. */
export const NO_CREDITS: Refusal = {
  http: 402,
  status: 'FAILED_PRECONDITION',
  about: 'credits',
  message: 'Insufficient credits. Add more using https://openrouter.ai/settings/credits',
};
