/** What the Gemini API has of its own about batches, against the emulator; what all kinds do is in `batch-channels.test.ts`. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type Emulator, type EmulatorOptions, type FaultRule, startEmulator } from '@darkroom/emulator';
import { createGeminiBatchChannel } from '@darkroom/shared/channels';
import type { BatchChannel } from '@darkroom/shared/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  aBatch,
  aFile,
  BATCH_MODEL,
  bodyOf,
  byKey,
  course,
  done,
  inputOf,
  judged,
  results,
  theBatch,
} from '../support/batch-account.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const { signal } = new AbortController();

let cleanup: AsyncDisposableStack;
let folder: string;

beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  folder = await mkdtemp(join(tmpdir(), 'batch-channel-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
});

afterEach(() => cleanup.disposeAsync());

type Account = { emulator: Emulator; channel: BatchChannel; folder: string };

/** An account whose time stands still until it is moved on. */
async function anAccount(faults: FaultRule[] = [], settings: EmulatorOptions['settings'] = {}): Promise<Account> {
  const emulator = cleanup.use(
    await startEmulator({ settings: { clock_scale: 0, render: 'fast', signature_bytes: 64, ...settings }, faults }),
  );
  const channel = cleanup.use(
    createGeminiBatchChannel({ apiKey: 'test-key', baseUrl: emulator.url, apiVersion: 'v1beta' }),
  );
  return { emulator, channel, folder };
}

describe('a batch', () => {
  it('may exist when the answer to its creation was lost, and is in the list then', async () => {
    const lost: FaultRule[] = [
      { match: { route: 'create_batch' }, times: 1, fault: { kind: 'reset_after_billing' } },
      { match: { route: 'create_batch' }, times: 1, fault: { kind: 'deadline_504', billed: true } },
      { match: { route: 'create_batch' }, times: 1, fault: { kind: 'reset' } },
      { match: { route: 'create_batch' }, times: 1, fault: { kind: 'quota_help_only' } },
    ];
    const account = await anAccount(lost);
    const { channel } = account;
    const { fileName } = done(await channel.upload(await inputOf(account, ['a']), signal));
    const create = (displayName: string) => channel.create({ model: BATCH_MODEL, fileName, displayName }, signal);

    const ends = [];
    for (const name of ['one', 'two', 'three', 'four']) ends.push((await create(name)).type);

    expect(ends).toEqual(['unknown', 'unknown', 'unknown', 'rejected']);
    const { batches } = done(await channel.list(0, signal));
    expect(batches.map(({ displayName }) => displayName)).toEqual(['two', 'one']);
  });

  it.each([
    [
      course({ ends: 'failed', error: { code: 13, message: 'Internal error.' } }),
      { end: 'failed', message: 'Internal error.' },
    ],
    [course({ ends: 'expired', prefix: 'JOB_STATE_' }), { end: 'expired', state: 'JOB_STATE_EXPIRED' }],
    [course({ ends: 'cancelled', done: 0.5 }), { end: 'canceled', responsesFile: expect.any(String) }],
  ])('ends as it does: %j', async (rule, expected) => {
    const account = await anAccount([rule]);
    await aBatch(account, ['a', 'b']);

    account.emulator.control.advance(49 * HOUR);

    expect(await theBatch(account)).toMatchObject(expected);
  });
});

describe('the list', () => {
  it('is read in pages, as far back as asked', async () => {
    const account = await anAccount([], { batches: { jobs_max: 1_000 } });
    const { channel, emulator } = account;
    const { fileName } = done(await channel.upload(await inputOf(account, ['a']), signal));
    const names: string[] = [];
    for (let n = 0; n < 120; n++) {
      names.push(done(await channel.create({ model: BATCH_MODEL, fileName, displayName: `dk-${n}` }, signal)).name);
      emulator.control.advance(1_000);
    }

    const all = done(await channel.list(0, signal)).batches;
    const third = all.at(-3)?.createdAt ?? 0;

    expect(all.map(({ name }) => name)).toEqual(names.toReversed());
    expect(done(await channel.list(third, signal)).batches).toHaveLength(118);
  });

  it('that fails on a page is no list', async () => {
    const account = await anAccount([{ match: { route: 'list_batches' }, times: 1, fault: { kind: 'unavailable' } }]);
    await aBatch(account, ['a']);

    expect(await account.channel.list(0, signal)).toMatchObject({ type: 'rejected', verdict: { limit: 'overload' } });
    expect(done(await account.channel.list(0, signal)).batches).toHaveLength(1);
  });
});

describe('a result file', () => {
  it('with misfortunes is read line by line', async () => {
    const line = (key: string, fault: FaultRule['fault']): FaultRule => ({ match: { keyIncludes: key }, fault });
    const account = await anAccount([
      line('deadline', { kind: 'line_error', code: 4, message: 'Deadline expired before operation could complete.' }),
      line('twice', { kind: 'line_duplicated', count: 2 }),
      line('missing', { kind: 'line_missing' }),
      line('stray', { kind: 'line_stray', count: 1 }),
      line('keyless', { kind: 'line_keyless' }),
      {
        match: { route: 'batch_line', keyIncludes: 'blocked' },
        fault: { kind: 'blocked', finishReason: 'IMAGE_SAFETY' },
      },
    ]);
    await aBatch(account, ['blocked', 'deadline', 'good', 'keyless', 'missing', 'stray', 'twice']);
    account.emulator.control.advance(HOUR);

    const lines = await results(account);

    expect(byKey(judged(lines))).toEqual([
      ['', 'unreadable'],
      ['blocked', 'blocked'],
      ['deadline', 'rejected'],
      ['good', 'image'],
      ['stray', 'image'],
      [expect.stringMatching(/^stray-/), 'image'],
      ['twice', 'image'],
      ['twice', 'image'],
    ]);
    expect(lines).toContainEqual(
      expect.objectContaining({ key: 'deadline', answer: expect.objectContaining({ httpStatus: 408 }) }),
    );
    expect(lines).toContainEqual({ type: 'unreadable', bytes: expect.any(Number), cut: false });
  });

  it('that ends within a line is read up to there', async () => {
    const account = await anAccount([course({ truncated: true, order: 'input' })]);
    await aBatch(account, ['a', 'b', 'c']);
    account.emulator.control.advance(HOUR);

    const lines = await results(account);

    expect(judged(lines)).toEqual([
      ['a', 'image'],
      ['b', 'image'],
      ['', 'unreadable'],
    ]);
    expect(lines[2]).toMatchObject({ cut: true });
  });

  it('is not there yet, then there, and gone after 48 hours', async () => {
    const account = await anAccount([course({ pendingMs: 0, runningMs: MINUTE, outputAfterMs: MINUTE })]);
    const { channel, emulator } = account;
    await aBatch(account, ['a']);
    const output = async () => done(await channel.download((await theBatch(account)).responsesFile ?? '', signal)).body;

    emulator.control.advance(MINUTE);
    expect(await output()).toBe('gone');
    emulator.control.advance(MINUTE);
    expect(await text((await output()) as Readable)).toContain('"key":"a"');
    emulator.control.advance(48 * HOUR);
    expect(await output()).toBe('gone');
  });

  it.each<FaultRule['fault']>([
    { kind: 'cut_body', atByte: 1_000 },
    { kind: 'cut_body', fraction: 0.99 },
  ])('that breaks off on its way is an error: %j', async (fault) => {
    const account = await anAccount([{ match: { route: 'download_file' }, times: 1, fault }]);
    await aBatch(account, ['a', 'b']);
    account.emulator.control.advance(HOUR);
    const batch = await theBatch(account);

    await expect(bodyOf(account, batch).then(text)).rejects.toThrow(/does not match the HTTP|closed|ECONNRESET/);
    expect((await text(await bodyOf(account, batch))).endsWith('\n')).toBe(true);
  });
});

describe('an upload', () => {
  it('twice is once, and other bytes do not get the name', async () => {
    const { channel, emulator } = await anAccount();
    const file = await aFile(folder, 'chunk-1', 'line\n'.repeat(2_000_000));

    expect(await channel.upload(file, signal)).toEqual({ type: 'done', fileName: 'files/chunk-1' });
    expect(await channel.upload(file, signal)).toEqual({ type: 'done', fileName: 'files/chunk-1' });
    expect(await channel.upload(await aFile(folder, 'chunk-1', 'other\n'), signal)).toMatchObject({
      type: 'rejected',
      verdict: { code: 'object_conflict' },
    });

    const chunks = emulator.control.journal().entries.filter(({ route }) => route === 'upload_chunk');
    expect(chunks.map(({ bytes }) => bytes)).toEqual([8 << 20, 10_000_000 - (8 << 20)]);
  });

  it.each<FaultRule['fault']>([
    { kind: 'cut_request', atByte: 3_000_000 },
    { kind: 'reset' },
    { kind: 'reset_after_billing' },
    { kind: 'unavailable' },
  ])('whose chunks fail goes on: %j', async (fault) => {
    const { channel, emulator } = await anAccount([{ match: { route: 'upload_chunk' }, times: 2, fault }]);
    const file = await aFile(folder, 'chunk-1', 'line\n'.repeat(2_000_000));

    expect(await channel.upload(file, signal)).toEqual({ type: 'done', fileName: 'files/chunk-1' });

    const starts = emulator.control.journal().entries.filter(({ route }) => route === 'start_upload');
    expect(starts).toHaveLength(1);
  });

  it('without room is refused', async () => {
    const { channel } = await anAccount([], { files: { storage_bytes: 4 } });

    expect(await channel.upload(await aFile(folder, 'chunk-1', '12345'), signal)).toMatchObject({
      type: 'rejected',
      verdict: { http: 429, retryable: true },
    });
  });
});
