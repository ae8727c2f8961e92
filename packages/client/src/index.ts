export {
  type BatchAction,
  type BatchInput,
  type BatchQuery,
  type Client,
  type ClientOptions,
  createClient,
} from './client.ts';
export { DarkroomError } from './error.ts';
