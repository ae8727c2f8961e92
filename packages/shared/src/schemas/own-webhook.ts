/** The webhook that a job or a batch has for itself. */

import { z } from 'zod';
import type { LoggedType } from '../domain/index.ts';
import { typeList } from './event-types.ts';

const URL_MAX = 2_048;

/** Its form, and where it leads, are looked at when it is taken. */
export const webhookUrl = z
  .string()
  .min(1)
  .max(URL_MAX)
  .meta({ format: 'uri', examples: ['https://example.com/darkroom'] });

/** @param known the types that it may be sent. @param usual what it is sent when it names none */
export function ownWebhook(known: readonly LoggedType[], usual: string) {
  return z.strictObject({
    url: webhookUrl.meta({ description: 'Where events are posted to: https, and reachable from the public internet.' }),
    events: typeList(known)
      .optional()
      .meta({ description: `Types, or groups such as \`job.*\`. Without it: ${usual}.` }),
  });
}

/** It as it is shown. */
export const OwnWebhookView = z
  .object({
    url: z.string().meta({ description: 'Without its query string.' }),
    events: z.array(z.string()).optional().meta({ description: 'The types it names; absent = the usual ones.' }),
  })
  .meta({ id: 'OwnWebhook', description: 'Told of this one beside your endpoints.' });
