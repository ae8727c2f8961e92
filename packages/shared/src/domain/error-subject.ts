/**
 * What an error answer is about: an input of its request, its model, or who calls. Pure.
 *
 * A refused key and a model that is gone take a channel or a place away from everybody, so each needs evidence of its own;
 * what a provider says of one request's inputs never is any. What is written for machines (a status, a code, a reason)
 * outranks the words.
 */

import type { ErrorFacts } from './error-facts.ts';
import { objectOf, textOf } from './lenient.ts';

/** Neither a part of a name, such as `gemini-file` or `projects/input`, nor what counts tokens. */
const APART = ['(?<![\\w./-])', '(?![\\w-]| tokens?\\b)'] as const;
const INPUTS: readonly RegExp[] = [
  /\bgs:\/\//i,
  /\bstorage\.(?:objects|buckets|googleapis)\b|\bcloud storage\b/i,
  new RegExp(`${APART[0]}(?:files?|objects?|buckets?|inputs?|prompts?|uris?)${APART[1]}`, 'i'),
  /\b(?:file|image|inline)_?(?:data|id|ur[il])s?\b|\binput_\w/i,
  /\b(?:reference|provided|uploaded|source|attached) (?:images?|ur[il]s?)\b/i,
  /\b(?:the|your|this) images?\b(?! (?:generation|models?)\b)/i,
];

/**
 * It names something that this one request carries or points to: an object, its bucket, a file, a prompt. Others may have
 * none of it, and what the caller of this one did is no reason to leave them without the channel.
 */
export function isAboutInput(facts: ErrorFacts): boolean {
  if (isPage(facts) || namesCaller(facts)) return false;
  const told = [facts.message, ...resourcesIn(facts)].join('\n');
  return INPUTS.some((pattern) => pattern.test(told));
}

/** What Google's details name: an ErrorInfo the permission that is missing, and where; a ResourceInfo the resource. */
function resourcesIn({ details }: ErrorFacts): string[] {
  const named = details.slice(0, 10).flatMap((detail) => {
    const { permission, resource, service } = objectOf(detail['metadata']);
    return [permission, resource, service, detail['resourceType'], detail['resourceName']];
  });
  return named.flatMap((value) => textOf(value)?.slice(0, 1_000) ?? []);
}

/** Nobody but whoever judges a request knows its inputs; pages are written by others, and their markup has any word. */
function isPage({ message }: ErrorFacts): boolean {
  return /<(?:!doctype|html|head|body)\b/i.test(message);
}

/** A code says that who calls is not known, or has a key that is none. */
function namesCaller({ status, words, reasons }: ErrorFacts): boolean {
  return status === 'UNAUTHENTICATED' || /invalid_api_key/i.test(words) || reasons.some((one) => KEY_REASONS.has(one));
}

const KEY_REASONS: ReadonlySet<string> = new Set(['API_KEY_INVALID', 'API_KEY_EXPIRED']);
const ACCOUNT_REASONS: ReadonlySet<string> = new Set(['SERVICE_DISABLED', 'BILLING_DISABLED']);

/**
 * A 400 that says that the key, or the account behind it, may not call at all. A precondition that failed may be one of the
 * request, such as a file that is not ready yet: it has to name billing, the place the calls come from, or an API that is off.
 */
export function isRefusedCaller(facts: ErrorFacts): boolean {
  const { status, message, reasons } = facts;
  if (namesCaller(facts) || reasons.some((one) => ACCOUNT_REASONS.has(one))) return true;
  if (/api key (?:not valid|expired)|user location is not supported/i.test(message)) return true;
  return status === 'FAILED_PRECONDITION' && ACCOUNT.test(message);
}

const ACCOUNT =
  /\bbilling\b|\bfree tier\b|\bin your (?:country|region|location)\b|\bapi (?:has not been (?:used|enabled)|is (?:disabled|not enabled))/i;

const MODEL = /\bmodels?\b|\bpublishers\/google\b|\b(?:gemini|imagen)-\w/i;
const GONE =
  /\bnot (?:be )?(?:found|supported|available|exist)\b|\bno longer\b|\b(?:retired|discontinued|shut ?down)\b/i;
/** OpenRouter knows nobody who serves the model, or makes images with it; what lacks a parameter is served without it. */
const NO_ENDPOINTS =
  /\bno endpoints found\b(?! that (?:support|can)\b)|\bno endpoints found\b.{0,200}\boutput modalit/i;

/** A 404 that names the model as what is not there. A path that does not exist (a wrong base URL) says nothing about it. */
export function isModelGone(facts: ErrorFacts): boolean {
  const { status, message, words } = facts;
  if (/model_not_found/i.test(words) || NO_ENDPOINTS.test(message)) return true;
  if (isPage(facts) || isPath(facts)) return false;
  return MODEL.test(message) && (status === 'NOT_FOUND' || GONE.test(message));
}

/**
 * A 404 that does not say of what, to a request that named nothing at the provider but its model. It can hardly mean
 * anything else, but no text of a model that is gone is so short: `models/x is not found for API version …` is what Google
 * documents, and it says the same of a batch or a file. So it counts as a fault, of which it takes several in a row to leave
 * the place alone, and that for seconds; and not as the end of the model, which would be for a day.
 */
export function isNothingFound(facts: ErrorFacts): boolean {
  return facts.plain && facts.status === 'NOT_FOUND' && !isPath(facts) && !isAboutInput(facts);
}

function isPath({ message }: ErrorFacts): boolean {
  return /\brequested url\b/i.test(message);
}
