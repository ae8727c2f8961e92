/** One thing done to every job that a filter means. */

import type { ActionPreview, ActionView, CreateActionInput } from '@darkroom/shared/schemas';
import type { Http } from './http.ts';
import { pages } from './pages.ts';

type Options = { signal?: AbortSignal | undefined };

export type ActionMethods = {
  /** How many jobs it would be done to. */
  previewAction(action: CreateActionInput, options?: Options): Promise<ActionPreview>;
  createAction(
    action: CreateActionInput,
    options?: Options & { idempotencyKey?: string | undefined },
  ): Promise<ActionView>;
  getAction(id: string, options?: Options): Promise<ActionView>;
  /** All that are kept, newest first. Short outages are sat out. */
  actions(options?: Options): AsyncGenerator<ActionView>;
  /** Begins no further page of it. */
  abortAction(id: string, options?: Options): Promise<ActionView>;
};

export function actionMethods(http: Http): ActionMethods {
  const all = '/v1/actions';
  const action = (id: string) => `${all}/${encodeURIComponent(id)}`;
  return {
    previewAction: (body, options) => http.json(all, { method: 'POST', json: { ...body, preview: true }, ...options }),
    createAction: (body, { idempotencyKey, signal } = {}) =>
      http.json(all, {
        method: 'POST',
        json: { ...body, preview: false },
        headers: { 'idempotency-key': idempotencyKey },
        signal,
      }),
    getAction: (id, options) => http.json(action(id), { ...options }),
    actions: (options) => pages(http, all, options),
    abortAction: (id, options) => http.json(`${action(id)}/abort`, { method: 'POST', ...options }),
  };
}
