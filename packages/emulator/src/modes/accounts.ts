/**
 * Service accounts and their tokens.
 *
 * An account is made the first time it is asked for; all of an emulator share one key. It trades a JWT signed with that
 * key for a token of its project, good for a while in the emulator's own time. Beside these, `PROJECT.anything` is
 * taken as a token of PROJECT that never ends.
 */
import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import { type Clock } from '../clock.ts';
import { letters } from '../ids.ts';

export type ServiceAccount = {
  type: 'service_account';
  project_id: string;
  private_key_id: string;
  private_key: string;
  client_email: string;
  client_id: string;
  token_uri: string;
};

type Standing = 'good' | 'unknown' | 'expired' | 'of_another';

type Exchanged =
  | { access_token: string; expires_in: number; token_type: 'Bearer' }
  | { error: string; error_description: string };

export type Accounts = {
  /** The file of a project's account, as it is downloaded from the console. */
  file(project: string, tokenUri: string): ServiceAccount;
  /** Trades a JWT for a token that lives `lifeMs`. */
  exchange(form: URLSearchParams, lifeMs: (project: string) => number): Exchanged;
  /** How a token stands with a project. */
  standing(token: string, project: string): Standing;
};

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SUFFIX = '.iam.gserviceaccount.com';
const TOKEN_PREFIX = 'ya29.';
/** The oldest go beyond this many. */
const TOKENS_MAX = 10_000;
const JWT_LIFE_S_MAX = 3600;
/** Clocks of two machines are never quite the same. */
const SKEW_S = 60;

const Claims = z.object({
  iss: z.string(),
  aud: z.string(),
  exp: z.number(),
  iat: z.number(),
  scope: z.string().min(1),
});

export function createAccounts(seed: string, clock: Pick<Clock, 'now'>, now: () => number): Accounts {
  const tokens = new Map<string, { project: string; until: number }>();
  let issued = 0;
  // A moment's work, spared to those who never ask.
  let made: { privateKey: KeyObject; publicKey: KeyObject } | undefined;
  const keys = () => {
    made ??= generateKeyPairSync('rsa', { modulusLength: 2048 });
    return made;
  };

  function issue(project: string, lifeMs: number): Exchanged {
    issued += 1;
    const token = `${TOKEN_PREFIX}${letters(60, seed, 'token', issued)}`;
    tokens.set(token, { project, until: clock.now() + lifeMs });
    const [oldest] = tokens.keys();
    if (tokens.size > TOKENS_MAX && oldest !== undefined) tokens.delete(oldest);
    return { access_token: token, expires_in: Math.max(0, Math.floor(lifeMs / 1000) - 1), token_type: 'Bearer' };
  }

  return {
    file: (project, tokenUri) => ({
      type: 'service_account',
      project_id: project,
      private_key_id: letters(40, seed, 'key'),
      private_key: keys().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      client_email: `darkroom@${project}${SUFFIX}`,
      client_id: '100000000000000000001',
      token_uri: tokenUri,
    }),
    exchange(form, lifeMs) {
      if (form.get('grant_type') !== GRANT) return refused('unsupported_grant_type', 'Invalid grant_type');
      const claims = readClaims(form.get('assertion') ?? '', keys().publicKey);
      if (!claims) return refused('invalid_grant', 'Invalid JWT Signature.');
      const project = /^[^@]+@([\w-]+)/.exec(claims.iss)?.[1];
      if (project === undefined || !claims.iss.endsWith(SUFFIX)) {
        return refused('invalid_grant', 'Invalid grant: account not found');
      }
      if (!claims.aud.endsWith('/token')) return refused('invalid_grant', 'Invalid JWT: Failed audience check.');
      const nowS = now() / 1000;
      if (claims.exp < nowS - SKEW_S || claims.exp > nowS + JWT_LIFE_S_MAX + SKEW_S || claims.iat > nowS + SKEW_S) {
        return refused('invalid_grant', TIMES);
      }
      return issue(project, lifeMs(project));
    },
    standing(token, project) {
      if (!token.startsWith(TOKEN_PREFIX)) return standingOfFixed(token, project);
      const known = tokens.get(token);
      if (!known) return 'unknown';
      if (clock.now() >= known.until) return 'expired';
      return known.project === project ? 'good' : 'of_another';
    },
  };
}

const TIMES =
  'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp ' +
  'values in the JWT claim.';

function standingOfFixed(token: string, project: string): Standing {
  const [owner, ...rest] = token.split('.');
  if (token.startsWith('expired')) return 'expired';
  if (rest.length === 0 || token.startsWith('invalid')) return 'unknown';
  return owner === project ? 'good' : 'of_another';
}

function refused(error: string, description: string): Exchanged {
  return { error, error_description: description };
}

function readClaims(jwt: string, key: KeyObject): z.infer<typeof Claims> | undefined {
  const [head = '', body = '', signature = ''] = jwt.split('.');
  if (!verify('RSA-SHA256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))) return undefined;
  try {
    return Claims.safeParse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8'))).data;
  } catch {
    return undefined;
  }
}
