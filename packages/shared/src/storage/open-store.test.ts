import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../ports/clock.ts';
import { openStore, parseStorageUrl } from './open-store.ts';
import { dispositionOf } from './signed-life.ts';

describe('parseStorageUrl', () => {
  it.each([
    ['file:///var/lib/darkroom', '/var/lib/darkroom'],
    ['file:/var/lib/darkroom', '/var/lib/darkroom'],
    ['file:///a%20b', '/a b'],
    ['file:./data/objects', resolve('data/objects')],
    ['file:data', resolve('data')],
    ['file:a%20b', resolve('a b')],
  ])('takes %s as a folder', (url, root) => {
    expect(parseStorageUrl(url)).toEqual({ type: 'folder', root });
  });

  it.each([
    ['gs://my-bucket', 'my-bucket', ''],
    ['gs://my-bucket/', 'my-bucket', ''],
    ['gs://my.bucket_1/team/images/', 'my.bucket_1', 'team/images'],
  ])('takes %s as a bucket', (url, bucket, prefix) => {
    expect(parseStorageUrl(url)).toEqual({ type: 'gcs', bucket, prefix });
  });

  it.each([
    '',
    '/var/lib',
    's3://bucket',
    'http://host/x',
    'file:',
    'file://',
    'file:///',
    'file://host/path',
    'file:data?x=1',
    'file:%zz',
    'gs:bucket',
    'gs://',
    'gs://UPPER',
    'gs://ab',
    'gs://bucket/../x',
    'gs://bucket//x',
    'gs://bucket/a b',
  ])('refuses %j, naming the setting and what it may be', (url) => {
    expect(() => parseStorageUrl(url)).toThrow(/^STORAGE_URL is .*Use file:\.\/folder/);
  });
});

describe('openStore', () => {
  const options = { publicUrl: 'http://127.0.0.1:8080', signingKey: Buffer.alloc(32), clock: systemClock };

  it('serves the files of a folder itself', async () => {
    const store = await openStore('file:./nowhere', options);

    expect(store.openSigned).toBeDefined();
    expect(store.uri('a')).toMatch(/^file:\/\/\/.*\/nowhere\/objects\/a$/);
  });

  it('leaves the files of a bucket to their endpoint', async () => {
    const store = await openStore('gs://bucket/images', { ...options, gcsApiEndpoint: 'http://127.0.0.1:1' });

    expect(store.openSigned).toBeUndefined();
    expect(store.uri('a/b')).toBe('gs://bucket/images/a/b');
    expect(await store.healthy()).toBe(false);
    expect(await store.signedUrl('a', { expiresAt: Date.now() + 1000 })).toMatch(
      /^http:\/\/127\.0\.0\.1:1\/bucket\/images\/a\?/,
    );
  });
});

describe('dispositionOf', () => {
  it.each([
    ['image/png', undefined, 'inline'],
    ['image/svg+xml', undefined, 'attachment'],
    ['text/html', undefined, 'attachment'],
    ['image/png', 'a.png', `attachment; filename="a.png"; filename*=UTF-8''a.png`],
    ['image/png', 'a"b\\c\r\nd/e.png', `attachment; filename="a_b_c__d_e.png"; filename*=UTF-8''a%22b_c__d_e.png`],
    ['image/png', '100%.png', `attachment; filename="100_.png"; filename*=UTF-8''100%25.png`],
    ['image/png', '\ud800.png', `attachment; filename="_.png"; filename*=UTF-8''_.png`],
  ])('shows %s under the name %j as %s', (type, name, expected) => {
    expect(dispositionOf(type, name)).toBe(expected);
  });
});
