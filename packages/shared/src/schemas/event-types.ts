/** Types of events as callers name them: one by one, or a group of them as `job.*`. */

import { z } from 'zod';
import { BATCH_EVENT_TYPES, EVENT_TYPES, LOGGED_TYPES, type LoggedType } from '../domain/index.ts';
import { didYouMean } from './faults.ts';

/** What a job's own webhook may be sent, and what a batch's may. */
export const OWN_TYPES = {
  job: EVENT_TYPES,
  batch: [...BATCH_EVENT_TYPES, ...EVENT_TYPES],
} as const satisfies Record<string, readonly LoggedType[]>;

const PATTERNS_MAX = 50;

/** `job.*` or a type → the types that are meant. */
export function typesNamed(pattern: string, known: readonly LoggedType[] = LOGGED_TYPES): LoggedType[] {
  if (!pattern.endsWith('.*')) return known.filter((type) => type === pattern);
  return known.filter((type) => type.startsWith(pattern.slice(0, -1)));
}

/** What was meant, or all that there are. */
function hintFor(asked: unknown, known: readonly LoggedType[]): string {
  const groups = new Set(known.map((type) => `${type.slice(0, type.indexOf('.'))}.*`));
  return didYouMean(asked, [...known, ...groups]) || `; there are ${known.join(', ')}`;
}

/** A type, or a group of them. */
export function typePattern(known: readonly LoggedType[] = LOGGED_TYPES) {
  return z.string().refine((pattern) => typesNamed(pattern, known).length > 0, {
    error: ({ input }) => `must be a type of event or a group of them such as job.*${hintFor(input, known)}`,
  });
}

/** Types and groups → the types that are meant, each once, in the order of the closed list. */
export function typeList(known: readonly LoggedType[] = LOGGED_TYPES) {
  return z
    .array(typePattern(known))
    .min(1)
    .max(PATTERNS_MAX)
    .transform((patterns): LoggedType[] => {
      const meant = new Set(patterns.flatMap((pattern) => typesNamed(pattern, known)));
      return known.filter((type) => meant.has(type));
    })
    .meta({ examples: [['job.succeeded', 'batch.*']] });
}
