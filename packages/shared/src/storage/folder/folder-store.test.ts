import { randomBytes } from 'node:crypto';
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createFolderStore, type FolderStoreOptions } from './folder-store.ts';

const PNG = { contentType: 'image/png' };
const NOW = Date.UTC(2026, 10, 20);

async function openStore(options: Partial<FolderStoreOptions> = {}) {
  const parent = await mkdtemp(join(tmpdir(), 'folder-store-'));
  const root = join(parent, 'data');
  const all = {
    root,
    publicUrl: 'http://127.0.0.1:8080',
    signingKey: Buffer.alloc(32, 7),
    clock: { now: () => NOW },
    ...options,
  };
  const file = async (content: string) => {
    const path = join(parent, 'local');
    await writeFile(path, content);
    return { path, bytes: Buffer.byteLength(content) };
  };
  const again = () => createFolderStore(all);
  const remove = () => rm(parent, { recursive: true, force: true });
  return { store: again(), again, root, parent, file, [Symbol.asyncDispose]: remove };
}

describe('folder store', () => {
  it('gives a local file a second name instead of copying its bytes', async () => {
    await using world = await openStore();
    const file = await world.file('bytes');

    await world.store.put('a/b.png', file, PNG);

    expect((await stat(file.path)).ino).toBe((await stat(join(world.root, 'objects/a/b.png'))).ino);
  });

  it('copies a local file when told to', async () => {
    await using world = await openStore({ uploadsAsLinks: false });
    const file = await world.file('bytes');

    await world.store.put('a.png', file, PNG);

    expect((await stat(file.path)).ino).not.toBe((await stat(join(world.root, 'objects/a.png'))).ino);
    expect(await readFile(join(world.root, 'objects/a.png'), 'utf8')).toBe('bytes');
  });

  it('copies a local file that lies on another disk', async (context) => {
    await using world = await openStore();
    const elsewhere = await mkdtemp('/dev/shm/folder-store-').catch(() => undefined);
    context.skip(elsewhere === undefined || (await stat(elsewhere)).dev === (await stat(world.parent)).dev);
    const path = join(elsewhere ?? '', 'local');
    await copyFile((await world.file('bytes')).path, path);

    const result = await world.store.put('a.png', { path, bytes: 5 }, PNG);
    await rm(elsewhere ?? '', { recursive: true });

    expect(result).toBe('created');
    expect(await readFile(join(world.root, 'objects/a.png'), 'utf8')).toBe('bytes');
  });

  it('refuses a symbolic link as a local file', async () => {
    await using world = await openStore();
    const { path } = await world.file('bytes');
    await symlink(path, `${path}-link`);

    await expect(world.store.put('a', { path: `${path}-link`, bytes: 5 }, PNG)).rejects.toMatchObject({
      code: 'internal',
    });
  });

  it('does not follow a symbolic link planted among its objects', async () => {
    await using world = await openStore();
    await world.store.put('a', Buffer.from('bytes'), PNG);
    const { path } = await world.file('secret');
    await unlink(join(world.root, 'objects/a'));
    await symlink(path, join(world.root, 'objects/a'));

    await expect(world.store.get('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it('completes a put that a crash cut between bytes and description', async () => {
    await using world = await openStore();
    await world.store.put('a/b', Buffer.from('bytes'), PNG);
    await unlink(join(world.root, 'info/a/b@.json'));
    const store = world.again();

    expect(await store.head('a/b')).toBeUndefined();
    expect(await store.get('a/b')).toBeUndefined();
    await expect(store.put('a/b', Buffer.from('other'), PNG)).rejects.toMatchObject({ code: 'object_conflict' });
    expect(await store.put('a/b', Buffer.from('bytes'), PNG)).toBe('exists');
    expect(await store.head('a/b')).toMatchObject({ bytes: 5, contentType: 'image/png' });
  });

  it('finds everything again after a restart', async () => {
    await using world = await openStore();
    await world.store.put('a', Buffer.from('bytes'), { ...PNG, custom: { job: '1' } });

    const stream = await world.again().get('a');

    expect(stream && (await text(stream))).toBe('bytes');
    expect(await world.again().head('a')).toMatchObject({ custom: { job: '1' } });
  });

  it('leaves no temporary file behind, also when a put is refused', async () => {
    await using world = await openStore();
    await world.store.put('a', Buffer.from('bytes'), PNG);
    await world.store.put('a', Buffer.from('other'), PNG).catch(() => undefined);
    await world.store.healthy();

    expect(await readdir(join(world.root, 'tmp'))).toEqual([]);
  });

  it('removes what a killed process left unnamed a day ago, and no younger file', async () => {
    await using world = await openStore();
    await mkdir(join(world.root, 'tmp'), { recursive: true });
    for (const name of ['old', 'young']) await writeFile(join(world.root, 'tmp', name), 'x');
    const old = Date.now() / 1000 - 25 * 60 * 60;
    await utimes(join(world.root, 'tmp/old'), old, old);

    await world.store.put('a', Buffer.from('bytes'), PNG);

    expect(await readdir(join(world.root, 'tmp'))).toEqual(['young']);
  });

  it('removes the folder of a deleted object once it is empty', async () => {
    await using world = await openStore();
    await world.store.put('jobs/1/a', Buffer.from('a'), PNG);
    await world.store.put('jobs/1/b', Buffer.from('b'), PNG);

    await world.store.delete('jobs/1/a');
    expect(await readdir(join(world.root, 'objects/jobs'))).toEqual(['1']);
    await world.store.delete('jobs/1/b');

    expect(await readdir(join(world.root, 'objects/jobs'))).toEqual([]);
    expect(await readdir(join(world.root, 'info/jobs'))).toEqual([]);
  });

  it('says clearly that a name cannot be both an object and a folder', async () => {
    await using world = await openStore();
    await world.store.put('a', Buffer.from('a'), PNG);

    await expect(world.store.put('a/b', Buffer.from('b'), PNG)).rejects.toMatchObject({ code: 'object_conflict' });
    expect(await world.store.head('a/b')).toBeUndefined();
  });

  it('reports a description that a person damaged, without failing the program', async () => {
    await using world = await openStore();
    await world.store.put('a', Buffer.from('a'), PNG);
    await writeFile(join(world.root, 'info/a@.json'), '{"bytes":');

    await expect(world.store.head('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it('mends itself when its folder comes back empty', async () => {
    await using world = await openStore();
    await world.store.put('a', Buffer.from('a'), PNG);
    await rm(world.root, { recursive: true });
    await expect(world.store.put('a', Buffer.from('a'), PNG)).rejects.toMatchObject({ code: 'storage_unavailable' });
    await mkdir(world.root);

    expect(await world.store.put('a', Buffer.from('a'), PNG)).toBe('created');
    expect(await world.store.healthy()).toBe(true);
  });

  it('cannot start where a file is in the way, and says so', async () => {
    await using world = await openStore();
    await writeFile(world.root, 'a file');

    await expect(world.store.put('a', Buffer.from('a'), PNG)).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(await world.store.healthy()).toBe(false);
  });

  it('addresses an object by the path of its file', async () => {
    await using world = await openStore();
    await world.store.put('2026/a b.png'.replace(' ', '_'), Buffer.from('bytes'), PNG);

    expect(await readFile(fileURLToPath(world.store.uri('2026/a_b.png')), 'utf8')).toBe('bytes');
  });

  it('refuses a signing key that can be guessed', () => {
    const options = { root: '/nowhere', publicUrl: 'http://x', clock: { now: () => NOW } };

    expect(() => createFolderStore({ ...options, signingKey: randomBytes(31) })).toThrow(RangeError);
  });

  it('touches no disk before it is used', async () => {
    await using world = await openStore();

    await expect(stat(world.root)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
