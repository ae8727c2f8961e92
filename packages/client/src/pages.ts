import type { Call, Http } from './http.ts';
import { insist } from './insist.ts';

type Page<T> = { data: T[]; next_cursor?: string | undefined };

const PAGE = 200;

/** All that a list has, page by page. Short outages are sat out. */
export async function* pages<T>(
  http: Http,
  path: string,
  { query, signal }: Pick<Call, 'query' | 'signal'> = {},
): AsyncGenerator<T> {
  let after: string | undefined;
  do {
    const call: Call = { query: { limit: PAGE, ...query, after }, signal };
    const page = await insist(() => http.json<Page<T>>(path, call), { signal });
    yield* page.data;
    after = page.next_cursor;
  } while (after);
}
