import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anImage, succeedJob } from '../../support/run-job.ts';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
let job: string;

beforeAll(async () => {
  api = await startApi();
  job = (await api.call('POST', '/v1/jobs', { body: { prompt: 'a mug', dedup: false } })).json.id;
  await succeedJob(api.deps, job);
});
afterAll(() => api[Symbol.asyncDispose]());

const pathOf = (url: string) => url.replace(api.url, '');
/** As anybody does who got the link from somebody: without a key. */
const openFile = (path: string, method = 'GET') => api.call(method, path, { key: '' });

async function linkTo(path: string): Promise<string> {
  const answer = await api.call('GET', path);
  expect(answer.status).toBe(302);
  return pathOf(answer.headers.get('location') ?? '');
}

describe('an image', () => {
  it('is a redirect away, under a link that needs no key', async () => {
    const { images } = (await api.call('GET', `/v1/jobs/${job}`)).json;
    const link = await linkTo(`/v1/jobs/${job}/images/0`);

    const answer = await fetch(`${api.url}${link}`);
    const bytes = Buffer.from(await answer.arrayBuffer());

    expect(answer.status).toBe(200);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(images[0].sha256);
    expect(bytes.length).toBe(images[0].bytes);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(bytes.length),
      'x-content-type-options': 'nosniff',
      'content-disposition': 'inline',
      'content-security-policy': "default-src 'none'; sandbox",
      'cache-control': expect.stringMatching(/^private, max-age=\d+, immutable$/),
    });
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it('is never cached by its redirect, which leads elsewhere each time', async () => {
    const answer = await api.call('GET', `/v1/jobs/${job}/images/0`);

    expect(answer.headers.get('cache-control')).toBe('private, no-store');
  });

  it('has a thumbnail', async () => {
    const { images } = (await api.call('GET', `/v1/jobs/${job}`)).json;
    const answer = await openFile(await linkTo(images[0].thumbnail_url));

    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/webp']);
  });

  it('is listed with the others of its job, by links that work', async () => {
    const { data } = (await api.call('GET', `/v1/jobs/${job}/images`)).json;

    expect(data).toHaveLength(1);
    expect(data[0]).toMatchObject({ id: expect.stringMatching(/^img_/), mime: 'image/png', width: 32, height: 32 });
    expect((await openFile(pathOf(data[0].url))).status).toBe(200);
  });

  it('answers HEAD without its bytes', async () => {
    const link = await linkTo(`/v1/jobs/${job}/images/0`);

    const answer = await openFile(link, 'HEAD');

    expect([answer.status, answer.text, answer.headers.get('content-type')]).toEqual([200, '', 'image/png']);
  });

  it.each(['1', '00', '-1', '0.0', 'x', '1e0', '0%00'])('number %s is not there', async (n) => {
    const answer = await api.call('GET', `/v1/jobs/${job}/images/${n}`);

    expect([answer.status, answer.json.retryable]).toEqual([404, false]);
  });

  it('of an open job is not there yet, and may be asked for again', async () => {
    const { id } = (await api.call('POST', '/v1/jobs', { body: { prompt: 'open', dedup: false } })).json;

    for (const path of ['images/0', 'images/0/thumbnail']) {
      const answer = await api.call('GET', `/v1/jobs/${id}/${path}`);
      expect([answer.status, answer.json.retryable, answer.headers.get('retry-after')]).toEqual([404, true, '2']);
    }
    expect((await api.call('GET', `/v1/jobs/${id}/images`)).json).toEqual({ data: [] });
  });

  it('whose thumbnail is not made yet says when to look again', async () => {
    const { id } = (await api.call('POST', '/v1/jobs', { body: { prompt: 'small', dedup: false } })).json;
    const { state } = await succeedJob(api.deps, id);
    await api.deps.store.delete(`${state.images[0]?.key.replace(/\.png$/, '')}.thumb.webp`);

    const answer = await api.call('GET', `/v1/jobs/${id}/images/0/thumbnail`);

    expect([answer.status, answer.json.retryable, answer.headers.get('retry-after')]).toEqual([404, true, '2']);
  });
});

describe('a signed link', () => {
  it('that was changed anywhere is refused', async () => {
    const link = await linkTo(`/v1/jobs/${job}/images/0`);
    const [path = '', query = ''] = link.split('?');
    const changed = [
      path,
      `${path}?`,
      `${path}?${query.replace(/signature=./, 'signature=!')}`,
      `${path}?${query.replace(/signature=.*/, 'signature=')}`,
      `${path}?${query.replace(/expires=\d/, 'expires=9')}`,
      `${path}?${query.replace(/expires=(\d+)/, 'expires=$10')}`,
      `${path}?${query}&name=evil.html`,
      `${path.replace(/0-/, '1-')}?${query}`,
      `${path.replace('/files/', '/files/x/..%2f')}?${query}`,
      `/files/..%2f..%2f..%2fetc%2fpasswd?${query}`,
      `/files/%00?${query}`,
      `/files/?${query}`,
    ];

    for (const wrong of changed) {
      const answer = await openFile(wrong);
      expect([wrong, [403, 404].includes(answer.status)]).toEqual([wrong, true]);
      expect(answer.text).not.toContain(api.folder);
    }
    expect((await openFile(link)).status).toBe(200);
  });

  it('that is over is refused, with the way to a fresh one', async () => {
    const key = decodeURIComponent(
      (await linkTo(`/v1/jobs/${job}/images/0`)).split('?')[0]?.slice('/files/'.length) ?? '',
    );
    const link = pathOf(await api.deps.store.signedUrl(key, { expiresAt: Date.now() + 1_001 }));

    await expect.poll(async () => (await openFile(link)).status, { timeout: 3_000 }).toBe(403);
    expect((await openFile(link)).json).toMatchObject({ detail: 'This link has expired.', fix: expect.any(String) });
  });

  it('of what is no image is saved, never opened in place', async () => {
    await api.deps.store.put('notes/a.json', Buffer.from('{}'), { contentType: 'application/json' });
    const link = pathOf(await api.deps.store.signedUrl('notes/a.json', { expiresAt: Date.now() + 60_000 }));

    expect((await openFile(link)).headers.get('content-disposition')).toBe('attachment');
  });

  it('opens nothing but its own object', async () => {
    await api.deps.store.put('notes/b.png', await anImage(), { contentType: 'image/png' });
    const link = pathOf(await api.deps.store.signedUrl('notes/b.png', { expiresAt: Date.now() + 60_000 }));

    expect((await openFile(link)).status).toBe(200);
    expect((await openFile(link.replace('b.png', 'a.json'))).status).toBe(403);
    await api.deps.store.delete('notes/b.png');
    expect((await openFile(link)).status).toBe(404);
  });
});
