import { AppError, type Batch, type Tenant } from '../domain/index.ts';
import type { Batches } from '../ports/index.ts';

/** Newest first. */
export async function listBatches(
  batches: Batches,
  tenant: Tenant,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<{ batches: Batch[]; nextCursor?: string }> {
  // One more than asked for tells whether there is a page after this one.
  const found = await batches.list(tenant, {
    limit: limit + 1,
    ...(after !== undefined && { after: parseCursor(after) }),
  });
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { batches: page, ...(last && found.length > limit && { nextCursor: cursorOf(last) }) };
}

function cursorOf({ createdAt, id }: Batch): string {
  return Buffer.from(`${createdAt} ${id}`).toString('base64url');
}

function parseCursor(text: string): { at: number; id: string } {
  const [, at, id] = /^(\d{13}) (bat_[0-9a-f]{32})$/.exec(Buffer.from(text, 'base64url').toString()) ?? [];
  if (at && id) return { at: Number(at), id };
  throw new AppError('invalid_request', { message: 'after is not a cursor of this list.', param: 'after' });
}
