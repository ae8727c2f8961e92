/** Batches at the provider: created, looked at, canceled, forgotten. */

import { objectOf, textOf } from '../../../domain/lenient.ts';
import type { BatchChannel, Done, RemoteBatch } from '../../../ports/batch-channel.ts';
import { type Api, hasErrorBody, notDone, type Reply, unknown } from './api.ts';

const PAGE = 100;
/** Ten thousand batches: two orders above what the provider runs at once. */
const PAGES_MAX = 100;

type Batches = Pick<BatchChannel, 'create' | 'list' | 'get' | 'cancel' | 'deleteBatch'>;

/** In what two APIs of the same family differ. */
export type Dialect = {
  /** Of all batches, under the version. */
  path: string;
  /** What a page of a list calls its entries. */
  entries: string;
  /** @throws RangeError when it names no batch */
  pathOf: (name: string) => string;
  creation: (batch: Parameters<Batches['create']>[0]) => { path: string; body: object };
  /** `undefined` when it has no name to call it by. */
  toRemoteBatch: (entry: unknown) => RemoteBatch | undefined;
};

export function createBatches(api: Api, { path, entries, pathOf, creation, toRemoteBatch }: Dialect): Batches {
  async function create(
    wanted: Parameters<Batches['create']>[0],
    signal: AbortSignal,
  ): Promise<Done<{ name: string }>> {
    const call = creation(wanted);
    const reply = await api.call({ method: 'POST', url: api.url(call.path), body: call.body }, signal);
    if (reply.type === 'ok') {
      const batch = toRemoteBatch(reply.body);
      return batch
        ? { type: 'done', name: batch.name }
        : unknown('the batch may exist, but the answer does not name it');
    }
    return isPlainRefusal(reply) ? notDone(reply) : unknown(reasonOf(reply));
  }

  async function list(since: number, signal: AbortSignal): Promise<Done<{ batches: RemoteBatch[] }>> {
    const batches: RemoteBatch[] = [];
    const tokens = new Set<string>();
    let first: RemoteBatch | undefined;
    for (let token = ''; tokens.size < PAGES_MAX; ) {
      tokens.add(token);
      const page = await readPage(token, signal);
      if (page.type !== 'done') return page;
      batches.push(...page.batches.filter(({ createdAt }) => !isBefore(createdAt, since)));
      first ??= page.batches.find(isDated);
      // The order is written nowhere: a list that begins with the oldest must not end there.
      const last = page.batches.at(-1);
      const onlyOlder = first && last && isBefore(last.createdAt, since) && isBefore(last.createdAt, first.createdAt);
      if (page.next === '' || onlyOlder) return { type: 'done', batches };
      if (tokens.has(page.next)) return unknown('the list of batches leads back to a page that was read');
      token = page.next;
    }
    return unknown(`the list of batches is longer than ${PAGES_MAX} pages`);
  }

  async function readPage(token: string, signal: AbortSignal): Promise<Done<{ batches: RemoteBatch[]; next: string }>> {
    const url = api.url(path);
    url.searchParams.set('pageSize', String(PAGE));
    if (token !== '') url.searchParams.set('pageToken', token);
    const reply = await api.call({ method: 'GET', url }, signal);
    return reply.type === 'ok' ? toPage(reply.body) : notDone(reply);
  }

  function toPage(body: unknown): Done<{ batches: RemoteBatch[]; next: string }> {
    const { [entries]: listed = [], nextPageToken } = objectOf(body);
    const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
    if (!isObject || !Array.isArray(listed)) return unknown('the answer is no list');
    const batches = listed.map(toRemoteBatch).filter((batch) => batch !== undefined);
    // A list is trusted for what is not in it: one with an entry that cannot be read is no list.
    if (batches.length < listed.length) return unknown('the list of batches has an entry without a name');
    return { type: 'done', batches, next: textOf(nextPageToken) ?? '' };
  }

  async function get(name: string, signal: AbortSignal): Promise<Done<{ batch: RemoteBatch | undefined }>> {
    const reply = await api.call({ method: 'GET', url: api.url(pathOf(name)) }, signal);
    if (isMissing(reply)) return { type: 'done', batch: undefined };
    if (reply.type !== 'ok') return notDone(reply);
    const batch = toRemoteBatch(reply.body);
    return batch ? { type: 'done', batch } : unknown('the answer is no batch');
  }

  async function cancel(name: string, signal: AbortSignal): Promise<Done<object>> {
    const url = api.url(`${pathOf(name)}:cancel`);
    const reply = await api.call({ method: 'POST', url, body: {} }, signal);
    if (reply.type === 'ok' || isMissing(reply)) return { type: 'done' };
    const refusal = notDone(reply);
    if (refusal.type === 'unknown' || refusal.verdict.retryable) return refusal;
    // How a batch that is over refuses to be canceled is written nowhere: look instead.
    const found = await get(name, signal);
    return found.type === 'done' && (!found.batch || found.batch.end) ? { type: 'done' } : refusal;
  }

  async function deleteBatch(name: string, signal: AbortSignal): Promise<Done<object>> {
    const reply = await api.call({ method: 'DELETE', url: api.url(pathOf(name)) }, signal);
    return reply.type === 'ok' || isMissing(reply) ? { type: 'done' } : notDone(reply);
  }

  return { create, list, get, cancel, deleteBatch };
}

/**
 * Certain to have had no effect: never sent, or refused by the provider itself. Behind a 5xx the work may go on, as it may
 * behind a call that was dropped (408, 499); a page without the provider's error body was written by somebody else.
 */
function isPlainRefusal(reply: Exclude<Reply, { type: 'ok' }>): boolean {
  if (reply.type !== 'refused') return reply.type === 'unsent';
  const { httpStatus } = reply.answer;
  if (httpStatus < 400 || httpStatus >= 500 || httpStatus === 408 || httpStatus === 499) return false;
  return hasErrorBody(reply.answer);
}

function reasonOf(reply: Exclude<Reply, { type: 'ok' }>): string {
  if (reply.type !== 'refused') return reply.reason;
  const judged = notDone(reply);
  const words = judged.type === 'unknown' ? judged.reason : judged.verdict.message;
  return `the provider answered ${reply.answer.httpStatus}${words ? `: ${words}` : ''}`;
}

/** Older than asked for; one of unknown age is not. */
function isBefore(createdAt: number, since: number): boolean {
  return createdAt !== 0 && createdAt < since;
}

function isDated({ createdAt }: RemoteBatch): boolean {
  return createdAt !== 0;
}

function isMissing(reply: Reply): boolean {
  return reply.type === 'refused' && reply.answer.httpStatus === 404 && hasErrorBody(reply.answer);
}
