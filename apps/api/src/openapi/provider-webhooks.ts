import { z } from 'zod';
import { open, operation } from './operation.ts';

const headers = z.object({
  'webhook-id': z.string().max(256).meta({ description: 'The same each time one message is sent.' }),
  'webhook-timestamp': z.string().meta({ description: 'Seconds since 1970; at most five minutes from the time here.' }),
  'webhook-signature': z.string().meta({
    description:
      'Standard Webhooks: v1,SIGNATURE, or several by spaces. The JWTs of webhooks that come with a batch are refused.',
  }),
});

/** The part of the document that providers call. */
export const providerWebhookPaths = {
  '/v1/provider-webhooks/gemini': {
    post: open(
      operation('geminiWebhook', 'provider-webhooks', {
        summary: 'A static webhook of the Gemini API: a batch is over. There while GEMINI_WEBHOOK_SECRET is set',
        params: { header: headers },
        body: { required: true, content: { 'application/json': { schema: z.looseObject({}) } } },
        answers: { '204': { description: 'Verified: the account is looked at soon' } },
      }),
    ),
  },
};
