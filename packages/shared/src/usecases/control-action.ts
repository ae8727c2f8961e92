import { type Action, AppError, abortAction, type Tenant } from '../domain/index.ts';
import type { Actions, Clock } from '../ports/index.ts';

/** Only the worker that is at it writes besides. */
const TRIES = 20;

/** @throws AppError `not_found`, word for word the same for another tenant's id */
export async function readAction(actions: Actions, tenant: Tenant, id: string): Promise<Action> {
  const action = await actions.read(tenant, id);
  if (!action) throw new AppError('not_found', { message: 'There is no such action.', param: 'id' });
  return action;
}

/** Begins no further page. Aborting twice is fine. @throws AppError `not_found`, or `conflict` when it is over */
export async function stopAction(
  { actions, clock }: { actions: Actions; clock: Clock },
  tenant: Tenant,
  id: string,
): Promise<Action> {
  for (let n = 0; n < TRIES; n++) {
    const action = await readAction(actions, tenant, id);
    if (action.status === 'aborting' || action.status === 'aborted') return action;
    const aborted = abortAction(action, clock.now());
    if (!aborted) {
      throw new AppError('conflict', { message: `The action is ${action.status} already.`, param: 'id' });
    }
    if (await actions.write(aborted)) return aborted;
  }
  throw new Error(`action ${id} changed ${TRIES} times while it was being written`);
}

/** Newest first. @throws AppError `invalid_request` for what is no cursor */
export async function listActions(
  actions: Actions,
  tenant: Tenant,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<{ actions: Action[]; nextCursor?: string }> {
  // One more than asked for tells whether there is a page after this one.
  const found = await actions.list(tenant, {
    limit: limit + 1,
    ...(after !== undefined && { after: parseCursor(after) }),
  });
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { actions: page, ...(last && found.length > limit && { nextCursor: cursorOf(last) }) };
}

function cursorOf({ createdAt, id }: Action): string {
  return Buffer.from(`${createdAt} ${id}`).toString('base64url');
}

function parseCursor(text: string): { at: number; id: string } {
  const [, at, id] = /^(\d{13}) (act_[0-9a-f]{32})$/.exec(Buffer.from(text, 'base64url').toString()) ?? [];
  if (at && id) return { at: Number(at), id };
  throw new AppError('invalid_request', { message: 'after is not a cursor of this list.', param: 'after' });
}
