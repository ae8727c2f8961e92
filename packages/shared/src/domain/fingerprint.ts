/** What makes two jobs the same work. */

import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { JobRequest } from './job.ts';

/** Raised whenever the meaning of a field changes, so that no result of an older meaning is ever shared. */
const VERSION = 1;

export type FingerprintInput = Pick<
  JobRequest,
  'prompt' | 'template' | 'model' | 'size' | 'aspectRatio' | 'seed' | 'thinking' | 'tools' | 'safety'
> & {
  routing?: JobRequest['routing'];
  references: readonly Pick<JobRequest['references'][number], 'sha256' | 'role' | 'name'>[];
};

/** Characters kept of a digest: 132 bits tell a tenant's jobs, keys and bodies apart, and they are kept with every job. */
const SHORT = 22;

/**
 * The first 22 characters of the SHA-256 (base64url) over RFC 8785 canonical JSON of everything that changes the picture: nothing of
 * lane, deadline, priority, tags or metadata. Of the routing, the models that may take over and the placeholder count:
 * with them something else may come out than a twin asked for. Which channels carry it, and whether two do, changes the
 * way and not the picture. Stable under key order and Unicode normal form.
 *
 * @param prompt its prompt's digest, for who has it already: to hash a long one costs more than all the rest
 */
export function fingerprint(request: FingerprintInput, prompt: string = promptDigest(request.prompt)): string {
  // Names in the order of RFC 8785, so that plain JSON is the canonical form: at a fifth of the price, for every row of a
  // batch. What differs is half a surrogate pair, which has no canonical form and is escaped here: `digest` refuses it.
  const input = {
    model: request.model,
    models: request.routing?.models,
    placeholder: request.routing?.placeholder,
    prompt,
    ratio: request.aspectRatio,
    // Order matters here: the model is shown the references one after the other.
    references: request.references.map(({ sha256, role, name }) => ({ name, role, sha256 })),
    safety: request.safety.map(({ category, threshold }) => `${category}=${threshold}`).toSorted(),
    seed: request.seed,
    size: request.size,
    template: request.template,
    thinking: request.thinking,
    tools: [...request.tools].toSorted(),
    v: VERSION,
  };
  const text = JSON.stringify(input);
  return text.includes('\\ud') ? shortDigest(input) : hash('sha256', text, 'base64url').slice(0, SHORT);
}

/** SHA-256 (base64url) of a prompt, the same in every normal form. @throws RangeError on half a surrogate pair */
export function promptDigest(prompt: string): string {
  // In UTF-8 all halves would be one and the same character.
  if (!prompt.isWellFormed()) throw new RangeError('half a surrogate pair has no digest');
  return hash('sha256', prompt.normalize('NFC'), 'base64url');
}

/** SHA-256 (base64url) of any JSON value's canonical form. @throws on a lone surrogate or a non-finite number */
export function digest(value: unknown): string {
  return hash('sha256', canonicalize(value) ?? 'null', 'base64url');
}

/** The first 22 characters of `digest`. */
export function shortDigest(value: unknown): string {
  return digest(value).slice(0, SHORT);
}
