/**
 * The routes a client may call, as fault scripts and the journal name them; `batch_line` is each line of a
 * batch, `deliver_webhook` each webhook the emulator sends.
 */
export const ROUTE_NAMES = [
  'generate_content',
  'stream_generate_content',
  'chat_completions',
  'create_images',
  'image_generations',
  'image_edits',
  'list_image_endpoints',
  'create_token',
  'get_key',
  'list_models',
  'get_model',
  'start_upload',
  'upload_chunk',
  'get_file',
  'list_files',
  'delete_file',
  'download_file',
  'create_batch',
  'get_batch',
  'list_batches',
  'cancel_batch',
  'delete_batch',
  'batch_line',
  'create_webhook',
  'get_webhook',
  'list_webhooks',
  'update_webhook',
  'delete_webhook',
  'ping_webhook',
  'rotate_secret',
  'jwks',
  'deliver_webhook',
  'unknown',
] as const;

export type RouteName = (typeof ROUTE_NAMES)[number];

/** The routes that make images, and cost money. */
export function makesImages(route: RouteName): boolean {
  return IMAGE_ROUTES.has(route);
}

const IMAGE_ROUTES: ReadonlySet<RouteName> = new Set([
  'generate_content',
  'stream_generate_content',
  'chat_completions',
  'create_images',
  'image_generations',
  'image_edits',
]);
