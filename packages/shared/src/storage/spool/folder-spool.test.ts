import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Answer } from '../../domain/answer.ts';
import type { AttemptRef } from '../../domain/job.ts';
import type { SpoolEntry } from '../../ports/spool.ts';
import { createFolderSpool } from './folder-spool.ts';
import { readIntents } from './intents.ts';

const hasFullDisk = existsSync('/dev/full');

let root: string;
let cleanup: AsyncDisposableStack;

beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  root = await mkdtemp(join(tmpdir(), 'spool-'));
  cleanup.defer(() => rm(root, { recursive: true, force: true }));
});

afterEach(() => cleanup.disposeAsync());

function aSpool({ now }: { now?: number } = {}) {
  const clock = { now: () => now ?? Date.now() };
  return cleanup.use(createFolderSpool({ root, owner: 'worker', clock }));
}

const aRef = (attempt = 'att_1'): AttemptRef => ({ tenant: 't', job: 'job_1', attempt });

/** Writes one blob as an answer would arrive, and commits it. */
async function commitImage(entry: SpoolEntry, image: Buffer, signal?: AbortSignal): Promise<Answer> {
  const sink = entry.blob(0);
  for (let at = 0; at < image.length; at += 100_000) await sink.write(image.subarray(at, at + 100_000));
  const answer: Answer = { httpStatus: 200, headers: {}, body: { n: 1 }, blobs: [await sink.close()], ms: 5 };
  await entry.commit(answer, signal);
  return answer;
}

const ownFolders = async () => (await readdir(root)).filter((name) => name.startsWith('worker~'));

describe('an entry', () => {
  it('gives the committed answer back, with its bytes, their length and both hashes', async () => {
    const image = randomBytes(1_234_567);
    const entry = await aSpool().intend(aRef());

    const answer = await commitImage(entry, image);

    const [blob] = answer.blobs;
    const sha256 = createHash('sha256').update(image).digest('hex');
    expect(blob).toMatchObject({ bytes: image.length, sha256, crc32c: crc32c(image) });
    expect(await readFile(blob?.path ?? '')).toEqual(image);
    expect(await entry.answer()).toEqual(answer);
  });

  it('has no answer before it is committed', async () => {
    const entry = await aSpool().intend(aRef());
    await entry.blob(0).write(Buffer.from('half an image'));

    expect(await entry.answer()).toBeUndefined();
    await entry.remove();
  });

  it('has no answer when a blob was cut or lost behind its back', async () => {
    const entry = await aSpool().intend(aRef());
    const answer = await commitImage(entry, randomBytes(1_000));
    const path = answer.blobs[0]?.path ?? '';

    await writeFile(path, 'short');
    const cut = await entry.answer();
    await rm(path);

    expect([cut, await entry.answer()]).toEqual([undefined, undefined]);
  });

  it('has its intent on the disk from the start, however many there are, until it is removed', async () => {
    const spool = aSpool();
    const attempts = Array.from({ length: 150 }, (_, n) => `att_${n}`);
    const entries = await Promise.all(attempts.map((attempt) => spool.intend(aRef(attempt))));
    const [home = ''] = await ownFolders();
    const onDisk = async () => (await readIntents(join(root, home))).map(({ ref }) => ref.attempt).sort();
    expect(await onDisk()).toEqual([...attempts].sort());

    for (const entry of entries.slice(10)) await entry.remove();
    const later = await spool.intend(aRef('att_later'));

    const left = entries.slice(0, 10).map(({ ref }) => ref.attempt);
    expect(await onDisk()).toEqual([...left, later.ref.attempt].sort((a, b) => a.localeCompare(b)));
  });

  it('is counted until it is removed, and removing it twice does no harm', async () => {
    const spool = aSpool();
    const entry = await spool.intend(aRef());
    const other = await spool.intend(aRef('att_12'));
    const empty = await spool.usage();
    await commitImage(entry, randomBytes(50_000));
    const full = await spool.usage();

    await entry.remove();
    await entry.remove();

    expect(empty.entries).toBe(2);
    expect(full.bytes - empty.bytes).toBeGreaterThan(50_000);
    expect(await spool.usage()).toMatchObject({ entries: 1 });
    await expect(commitImage(other, randomBytes(10))).resolves.toBeDefined();
  });

  it('can be removed while its blobs are still open', async () => {
    const spool = aSpool();
    const entry = await spool.intend(aRef());
    void entry.blob(0).write(Buffer.from('half'));
    entry.blob(1);

    await entry.remove();

    expect(await spool.usage()).toMatchObject({ entries: 0 });
  });

  it.each(['../x', 'a/b', '', 'a.b'])('refuses %j for a file name', async (attempt) => {
    await expect(aSpool().intend(aRef(attempt))).rejects.toThrow('cannot name a file');
  });
});

describe('a disk that refuses', () => {
  it('makes the intent fail: the call must not leave', async () => {
    await rm(root, { recursive: true });
    await writeFile(root, 'a file where the folder should be');

    await expect(aSpool().intend(aRef())).rejects.toMatchObject({ code: 'storage_unavailable', retryable: true });
  });

  it.runIf(hasFullDisk)(
    'loses no byte when it is full for a while: they are kept in memory and written by commit',
    async () => {
      const image = randomBytes(300_000);
      const entry = await aSpool().intend(aRef());
      const [home = ''] = await ownFolders();
      await symlink('/dev/full', join(root, home, 'att_1.0.blob'));

      const answer = await commitImage(entry, image);

      expect(await readFile(answer.blobs[0]?.path ?? '')).toEqual(image);
      expect(await entry.answer()).toEqual(answer);
    },
  );

  it('is tried again until the disk is back, if that takes an hour', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    cleanup.defer(() => void vi.useRealTimers());
    const image = randomBytes(300_000);
    const entry = await aSpool().intend(aRef());
    const [home = ''] = await ownFolders();
    const sink = entry.blob(0);
    await sink.write(image);
    await rename(root, `${root}.away`);
    await writeFile(root, 'a file where the folder should be');
    const answer: Answer = { httpStatus: 200, headers: {}, body: {}, blobs: [await sink.close()], ms: 5 };

    const committed = entry.commit(answer);
    vi.advanceTimersByTime(3_600_000);
    await rm(root);
    await rename(`${root}.away`, root);
    await committed;

    expect(answer.blobs[0]?.path).toContain(home);
    expect(await entry.answer()).toEqual(answer);
  });

  it('makes commit fail, when it is told to give up, by a code of its own', async () => {
    const entry = await aSpool().intend(aRef());
    await rm(root, { recursive: true });
    await writeFile(root, 'a file where the folder should be');
    const giveUp = new AbortController();

    const committed = commitImage(entry, randomBytes(1_000), giveUp.signal);
    giveUp.abort();

    await expect(committed).rejects.toMatchObject({ code: 'storage_unavailable', retryable: true });
    await entry.remove();
  });

  it('makes commit fail at once when bytes are gone that no disk can bring back', async () => {
    const entry = await aSpool().intend(aRef());
    const [home = ''] = await ownFolders();
    const sink = entry.blob(0);
    await sink.write(randomBytes(1_000));
    const blob = join(root, home, 'att_1.0.blob');
    await truncate(blob, 10);
    await rm(blob);
    const answer: Answer = { httpStatus: 200, headers: {}, body: {}, blobs: [await sink.close()], ms: 5 };

    await expect(entry.commit(answer)).rejects.toMatchObject({ code: 'storage_unavailable', retryable: false });
    await entry.remove();
  });

  it.runIf(hasFullDisk)('ends a blob that is larger than memory may hold', async () => {
    const entry = await aSpool().intend(aRef());
    const [home = ''] = await ownFolders();
    await symlink('/dev/full', join(root, home, 'att_1.0.blob'));
    const sink = entry.blob(0);
    const slice = Buffer.alloc(1 << 20);

    const writeAll = async () => {
      for (let n = 0; n < 40; n++) await sink.write(slice);
    };

    await expect(writeAll()).rejects.toThrow('takes no more bytes');
    await entry.remove();
  });
});

describe('a folder taken away from a process that lives', () => {
  it('does not take the answer in flight along: commit writes it anew', async () => {
    const image = randomBytes(400_000);
    const entry = await aSpool().intend(aRef());
    const [home = ''] = await ownFolders();
    const sink = entry.blob(0);
    await sink.write(image.subarray(0, 150_000));

    await rename(join(root, home), join(root, 'elsewhere'));
    await rm(join(root, 'elsewhere'), { recursive: true });
    await sink.write(image.subarray(150_000));
    const answer: Answer = { httpStatus: 200, headers: {}, body: {}, blobs: [await sink.close()], ms: 5 };
    await entry.commit(answer);

    const path = answer.blobs[0]?.path ?? '';
    expect(dirname(path)).not.toBe(join(root, home));
    expect(await readFile(path)).toEqual(image);
    expect((await readIntents(dirname(path))).map(({ ref }) => ref)).toEqual([aRef()]);
    expect(await entry.answer()).toEqual(answer);
  });

  it('is made anew, once, by whoever needs it next', async () => {
    const spool = aSpool();
    await spool.intend(aRef());
    const [home = ''] = await ownFolders();
    await rename(join(root, home), join(root, 'elsewhere'));

    await Promise.all(['att_2', 'att_3', 'att_4'].map((attempt) => spool.intend(aRef(attempt))));

    expect(await ownFolders()).toHaveLength(1);
    expect(await ownFolders()).not.toContain(home);
    expect(await spool.usage()).toMatchObject({ entries: 3 });
  });
});

describe('where a call is to be made', () => {
  const [first, second] = [
    { channel: 'a', model: 'pro' },
    { channel: 'b', model: 'pro' },
  ];
  const inFile = async () => (await readIntents(join(root, (await ownFolders())[0] ?? ''))).map(({ place }) => place);

  it('is in its intent, and stays there as it was told last', async () => {
    const entry = await aSpool().intend(aRef(), first);

    expect([entry.place(), await inFile()]).toEqual([first, [first]]);
    await entry.moveTo(second);
    expect([entry.place(), await inFile()]).toEqual([second, [second]]);
    await entry.remove();
    await entry.moveTo(first);
    expect(await inFile()).toEqual([]);
  });

  it('is left out where ids are long, rather than that the call is not made', async () => {
    const entry = await aSpool().intend({ ...aRef(), tenant: 't'.repeat(350) }, { ...first, channel: 'c'.repeat(200) });

    expect(await inFile()).toEqual([undefined]);
    await entry.remove();
  });

  it('is known to whoever takes over the intent, or nothing but the answer', async () => {
    const dead = { host: 'elsewhere', boot: 'b', pid: 1, startedAt: 's' };
    await leftBehind('other~1', dead, 0);
    await leftBehind('other~2', dead, 0, 'att_8');
    await writeFile(join(root, 'other~1', 'intents'), JSON.stringify({ ...aRef('att_9'), ...second }).padEnd(512));
    const answer = { httpStatus: 200, headers: {}, body: {}, blobs: [], ms: 1 };
    const written = JSON.stringify({ ref: aRef('att_7'), place: first, answer });
    await writeFile(join(root, 'other~1', 'att_7.answer'), written);

    const taken = await aSpool({ now: Date.now() }).recover();

    const places = taken.map((entry) => [entry.ref, entry.place()] as const);
    expect(places.toSorted(([a], [b]) => a.attempt.localeCompare(b.attempt))).toEqual([
      [aRef('att_7'), first],
      [aRef('att_8'), undefined],
      [aRef('att_9'), second],
    ]);
  });
});

/** A folder as a process would have left it, whose owner file holds `owner`. */
async function leftBehind(name: string, owner: object | string, heartbeatAt: number, attempt = 'att_9'): Promise<void> {
  const folder = join(root, name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'intents'), JSON.stringify(aRef(attempt)).padEnd(512));
  const file = join(folder, 'owner.json');
  await writeFile(file, typeof owner === 'string' ? owner : JSON.stringify(owner));
  await utimes(file, heartbeatAt / 1_000, heartbeatAt / 1_000);
}

/** What this very process writes into its owner file. */
async function ownOwner(): Promise<{ host: string; pid: number; startedTicks?: string }> {
  const spool = aSpool();
  await spool.usage();
  const [home = ''] = await ownFolders();
  return JSON.parse(await readFile(join(root, home, 'owner.json'), 'utf8'));
}

describe('recovery', () => {
  it('takes over at once what a killed process left: a committed answer, and an intent without one', async () => {
    const child = await startChild();
    child.kill('SIGKILL');
    await once(child, 'exit');

    const entries = await aSpool().recover();

    const [answered, open] = entries.sort((a, b) => a.ref.attempt.localeCompare(b.ref.attempt));
    const answer = await answered?.answer();
    expect(answered?.ref).toEqual(aRef('att_answered'));
    expect(answer).toMatchObject({ httpStatus: 200, body: { from: 'child' }, blobs: [{ bytes: 70_000 }] });
    expect(await readFile(answer?.blobs[0]?.path ?? '')).toEqual(Buffer.alloc(70_000, 7));
    expect(open?.ref).toEqual(aRef('att_open'));
    expect(await open?.answer()).toBeUndefined();
    expect(entries).toHaveLength(2);
  });

  it('leaves a living process alone, however old its heartbeat', async () => {
    const child = await startChild();
    cleanup.defer(() => void child.kill('SIGKILL'));

    const entries = await aSpool({ now: Date.now() + 3_600_000 }).recover();

    expect(entries).toEqual([]);
  });

  it('is not fooled by a later process with the same id', async () => {
    const owner = await ownOwner();
    await leftBehind('reused', { ...owner, startedTicks: '1' }, Date.now());

    expect((await aSpool().recover()).map(({ ref }) => ref.attempt)).toEqual(['att_9']);
  });

  it.each([
    ['another host', { host: 'elsewhere', pid: 1 }],
    ['a host nobody can tell', '{"host":'],
  ])('waits a minute without a heartbeat from %s', async (_, owner) => {
    const now = Date.now();
    await leftBehind('far', owner, now - 59_000);
    const early = await aSpool({ now }).recover();

    const late = await aSpool({ now: now + 2_000 }).recover();

    expect(early).toEqual([]);
    expect(late.map(({ ref }) => ref.attempt)).toEqual(['att_9']);
  });

  it('gives each entry to one of several that come at once', async () => {
    const dead = { ...(await ownOwner()), startedTicks: '1' };
    const names = Array.from({ length: 12 }, (_, n) => `dead${n}`);
    for (const name of names) await leftBehind(name, dead, 0, `att_${name}`);
    const spools = [aSpool(), aSpool(), aSpool(), aSpool()];

    const found = await Promise.all(spools.map((spool) => spool.recover()));

    const attempts = found.flat().map(({ ref }) => ref.attempt);
    expect(attempts.sort()).toEqual(names.map((name) => `att_${name}`).sort());
  });

  it('finds what the dead had themselves taken over, and gives it again until it is removed', async () => {
    const dead = { ...(await ownOwner()), startedTicks: '1' };
    await leftBehind('second', dead, 0, 'att_second');
    await leftBehind('second/first', dead, 0, 'att_first');
    await leftBehind('second/first/zeroth', dead, 0, 'att_zeroth');
    const spool = aSpool();
    const first = await spool.recover();
    const again = await spool.recover();

    for (const entry of again) await entry.remove();

    expect(first.map(({ ref }) => ref.attempt).sort()).toEqual(['att_first', 'att_second', 'att_zeroth']);
    expect(again).toHaveLength(3);
    expect(await spool.recover()).toEqual([]);
    expect(await spool.usage()).toMatchObject({ entries: 0 });
  });

  it('finds an answer whose intent is lost: its bytes were paid for', async () => {
    const child = await startChild();
    child.kill('SIGKILL');
    await once(child, 'exit');
    const [left = ''] = (await readdir(root)).filter((name) => name.startsWith('child~'));
    await rm(join(root, left, 'intents'));
    const spool = aSpool();

    const [entry, ...others] = await spool.recover();

    expect(others).toEqual([]);
    expect(entry?.ref).toEqual(aRef('att_answered'));
    expect(await entry?.answer()).toMatchObject({ body: { from: 'child' }, blobs: [{ bytes: 70_000 }] });
    await entry?.remove();
    expect(await spool.recover()).toEqual([]);
  });

  it('sweeps up files without an intent, and intents that were never written whole', async () => {
    const dead = { ...(await ownOwner()), startedTicks: '1' };
    await leftBehind('dead', dead, 0);
    const half = '{"tenant"'.padEnd(512);
    const files = {
      intents: half,
      'att_9.answer': '{}',
      'att_8.0.blob': 'x',
      'att_8.answer': '{}',
      'att_7.answer.tmp': '',
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(root, 'dead', name), content);
    const spool = aSpool();

    expect(await spool.recover()).toEqual([]);
    const [home = ''] = (await ownFolders()).slice(-1);
    expect(await readdir(join(root, home))).toEqual(['intents', 'owner.json']);
  });

  it('removes its own folder when it ends empty, and leaves it when it does not', async () => {
    const empty = aSpool();
    await (await empty.intend(aRef())).remove();
    await empty[Symbol.asyncDispose]();
    expect(await ownFolders()).toEqual([]);

    const full = aSpool();
    await full.intend(aRef());
    await full[Symbol.asyncDispose]();
    expect(await ownFolders()).toHaveLength(1);
  });
});

/** Another process with one committed and one open attempt in the same spool. */
async function startChild(): Promise<ChildProcess> {
  const program = `
    import { createFolderSpool } from ${JSON.stringify(join(import.meta.dirname, 'folder-spool.ts'))};
    const spool = createFolderSpool({ root: ${JSON.stringify(root)}, owner: 'child', clock: { now: Date.now } });
    const ref = (attempt) => ({ tenant: 't', job: 'job_1', attempt });
    await spool.intend(ref('att_open'));
    const entry = await spool.intend(ref('att_answered'));
    const sink = entry.blob(0);
    await sink.write(Buffer.alloc(70_000, 7));
    await entry.commit({ httpStatus: 200, headers: {}, body: { from: 'child' }, blobs: [await sink.close()], ms: 1 });
    console.log('ready');
    setInterval(() => {}, 1000);
  `;
  const args = ['--input-type=module', '--conditions=source', '--eval', program];
  const child = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}
