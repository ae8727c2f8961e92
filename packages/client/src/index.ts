export type { ActionMethods } from './actions.ts';
export type { ChannelMethods, ChannelOrder } from './channels.ts';
export {
  type BatchAction,
  type BatchInput,
  type BatchQuery,
  type Client,
  type ClientOptions,
  createClient,
} from './client.ts';
export { DarkroomError } from './error.ts';
export type { EventFilter, EventMethods } from './events.ts';
export {
  type ReceivedWebhook,
  verifyWebhook,
  type WebhookHeaders,
  WebhookVerificationError,
} from './verify-webhook.ts';
export type { WebhookMethods } from './webhooks.ts';
