/** Pages of a list, newest first, which stay in place while the list grows at its head. */
import { GoogleError, invalidArgument } from './http/google-error.ts';

type Numbered = { n: number };
type Page<T> = { items: T[]; nextPageToken?: string };

const PAGE = 50;
const PAGE_MAX = 100;

/**
 * One page of `items`, which are in the order of their numbers, oldest first.
 *
 * @throws GoogleError 400 for a size or token that makes no sense
 */
export function pageOf<T extends Numbered>(items: readonly T[], query: URLSearchParams): Page<T> {
  const before = readToken(query.get('pageToken') ?? query.get('page_token') ?? '');
  const size = readSize(query.get('pageSize') ?? query.get('page_size') ?? '');
  const older = items.filter(({ n }) => n < before).toReversed();
  const page = older.slice(0, size);
  const last = page.at(-1);
  return { items: page, ...(last && older.length > size && { nextPageToken: writeToken(last.n) }) };
}

function readSize(size: string): number {
  if (!/^\d{0,9}$/.test(size)) throw new GoogleError(invalidArgument(`Invalid value at 'page_size': "${size}"`));
  return Math.min(PAGE_MAX, Number(size) || PAGE);
}

function writeToken(n: number): string {
  return Buffer.from(`before ${n}`).toString('base64url');
}

function readToken(token: string): number {
  if (token === '') return Number.POSITIVE_INFINITY;
  const n = /^before (\d{1,15})$/.exec(Buffer.from(token, 'base64url').toString('latin1'))?.[1];
  if (n === undefined) throw new GoogleError(invalidArgument('The page token is invalid.'));
  return Number(n);
}
