/**
 * The list of URLs that must never be dialled, with controls that must be.
 *
 * Nothing here leaves the machine: names are resolved in a table, and the connector writes down where it was sent and
 * dials only for the three addresses that stand for the public internet, and then only a server of the test's own.
 */

import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createUrlCheck, type GuardOptions } from './guard.ts';
import type { Lookup } from './resolve.ts';
import { createSafeFetch, type SafeFetch } from './safe-fetch.ts';
import { createSafePost, type SafePost } from './safe-post.ts';

const PUBLIC = '93.184.215.14';
const PUBLIC_TOO = '1.1.1.1';
const PUBLIC_V6 = '2606:2800:21f:cb07:6820:80da:af6b:8b2c';

const STANDS = new Set([PUBLIC, PUBLIC_TOO, PUBLIC_V6, `::ffff:${PUBLIC}`]);

const NAMES: Record<string, string[]> = {
  'photos.example': [PUBLIC],
  'two.example': [PUBLIC, PUBLIC_TOO],
  'six.example': [PUBLIC_V6],
  'mapped.example': [`::ffff:${PUBLIC}`],
  localhost: ['127.0.0.1'],
  'localhost.': ['127.0.0.1'],
  'app.localhost': ['::1'],
  'localhost.localdomain': ['127.0.0.1'],
  'ip6-localhost': ['::1'],
  'localtest.example': ['127.0.0.1'],
  '127.0.0.1.nip.example': ['127.0.0.1'],
  'metadata.google.internal': ['169.254.169.254'],
  'metadata.example': ['169.254.169.254'],
  'metadata-six.example': ['fd00:ec2::254'],
  'ten.example': ['10.0.0.5'],
  'docker.example': ['172.17.0.1'],
  'router.example': ['192.168.1.1'],
  'carrier.example': ['100.64.0.1'],
  'zero.example': ['0.0.0.0'],
  'any-six.example': ['::'],
  'link-six.example': ['fe80::1'],
  'zoned.example': ['fe80::1%eth0'],
  'local-six.example': ['fd12:3456::1'],
  'mapped-private.example': ['::ffff:10.0.0.5'],
  'compat.example': ['::10.0.0.5'],
  'nat64.example': ['64:ff9b::a00:5'],
  'sixtofour.example': ['2002:7f00:1::'],
  'teredo.example': ['2001:0:7f00:1::1'],
  'multicast.example': ['224.0.0.1'],
  'broadcast.example': ['255.255.255.255'],
  'mixed-last.example': [PUBLIC, '10.0.0.5'],
  'mixed-first.example': ['10.0.0.5', PUBLIC],
  'mixed-six.example': [PUBLIC, '::1'],
  'many.example': [...Array.from({ length: 50 }, (_, n) => `93.184.216.${n}`), '127.0.0.1'],
  'gibberish.example': ['not an address'],
  'nowhere.example': [],
  'xn--bcher-kva.example': ['192.168.0.7'],
};

type Ways = SafeFetch & { post: SafePost['post']; check: (url: string) => Promise<void>; dials: string[] };

/** Every way out, with the table above for a resolver and a connector that reaches nothing but `port` on loopback. */
function guard(port: number, lookup: Lookup = lookupInTable): Ways {
  const dials: string[] = [];
  const options: GuardOptions = {
    lookup,
    connect({ hostname, port: asked }, callback) {
      dials.push(`${hostname}:${asked || 443}`);
      if (!STANDS.has(hostname)) {
        callback(new Error('forbidden'), null);
        return;
      }
      const socket: Socket = connectTcp({ host: '127.0.0.1', port });
      socket.once('connect', () => callback(null, socket)).once('error', (error) => callback(error, null));
    },
  };
  const poster = createSafePost(options);
  onTestFinished(() => poster[Symbol.asyncDispose]());
  return {
    dials,
    ...createSafeFetch(options),
    post: (url, message) => poster.post(url, message),
    check: createUrlCheck(options),
  };
}

async function lookupInTable(hostname: string): Promise<string[]> {
  const answers = NAMES[hostname];
  if (!answers) throw new Error(`no such name: ${hostname}`);
  return answers;
}

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => new Promise((done) => server.close(() => done())));
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

const BYTES = Buffer.from('the bytes of an image');
const UNREACHED = 1;
const options = { maxBytes: 1_000 };

const FORBIDDEN: [rule: RegExp, urls: string[]][] = [
  [
    /address is not a public one/,
    [
      'https://127.0.0.1/',
      'https://127.1/',
      'https://127.0.1/',
      'https://2130706433/',
      'https://017700000001/',
      'https://0x7f000001/',
      'https://0x7f.1/',
      'https://0x7F.0x0.0x0.0x1/',
      'https://0177.0.0.01/',
      'https://00000177.0.0.1/',
      'https://127.0.0.1./',
      'https://127.000.000.001/',
      'https://127.8.9.10/',
      'https://0/',
      'https://0.0.0.0/',
      'https://0x0/',
      'https://10.0.0.1/',
      'https://10.1/',
      'https://012.0.0.1/',
      'https://167772161/',
      'https://172.16.0.1/',
      'https://172.31.255.255/',
      'https://192.168.0.1/',
      'https://192.168.1/',
      'https://0xc0a80001/',
      'https://169.254.169.254/computeMetadata/v1/',
      'https://2852039166/latest/meta-data/',
      'https://0xa9fea9fe/',
      'https://0251.0376.0251.0376/',
      'https://169.16689662/',
      'https://100.64.0.1/',
      'https://100.100.100.200/',
      'https://192.0.0.192/',
      'https://198.18.0.1/',
      'https://192.0.2.1/',
      'https://224.0.0.1/',
      'https://240.0.0.1/',
      'https://255.255.255.255/',
      'https://[::1]/',
      'https://[::]/',
      'https://[0:0:0:0:0:0:0:1]/',
      'https://[0000:0000:0000:0000:0000:0000:0000:0001]/',
      'https://[::ffff:127.0.0.1]/',
      'https://[::ffff:7f00:1]/',
      'https://[::FFFF:A9FE:A9FE]/',
      'https://[0:0:0:0:0:ffff:10.0.0.1]/',
      'https://[::127.0.0.1]/',
      'https://[::ffff:0:127.0.0.1]/',
      'https://[64:ff9b::127.0.0.1]/',
      'https://[64:ff9b::a9fe:a9fe]/',
      'https://[64:ff9b:1::a00:1]/',
      'https://[2002:7f00:1::]/',
      'https://[2002:a9fe:a9fe::1]/',
      'https://[2001:0:7f00:1::]/',
      'https://[2001:db8::1]/',
      'https://[3fff::1]/',
      'https://[100::1]/',
      'https://[fc00::1]/',
      'https://[fd00:ec2::254]/latest/meta-data/',
      'https://[fe80::1]/',
      'https://[fec0::1]/',
      'https://[ff02::1]/',
      'https://\uff11\uff12\uff17.0.0.1/',
      'https://127\u30020\u30020\u30021/',
      'https://\u2460\u2461\u2466.0.0.1/',
      'https://%31%32%37.0.0.1/',
      'https://127.0.0.1%2e/',
      'https:127.0.0.1/',
      'https:\\\\127.0.0.1\\',
      'https:///127.0.0.1/',
      '  https://127.0.0.1/  ',
      'htt\tps://127.0.\n0.1/',
      'https://127.0.0.1:443/',
      `https://127.0.0.1/?@${PUBLIC}/`,
      `https://127.0.0.1#@${PUBLIC}/`,
      `https://127.0.0.1\\@${PUBLIC}/`,
    ],
  ],
  [
    /leads to an address that is not public/,
    [
      ...Object.keys(NAMES)
        .slice(Object.keys(NAMES).indexOf('localhost'))
        .filter((name) => name !== 'nowhere.example')
        .map((name) => `https://${name}/`),
      'https://LOCALHOST/',
      'https://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/',
      'https://b\u00fccher.example/',
      `https://ten.example/?host=${PUBLIC}`,
    ],
  ],
  [
    /credentials/,
    [
      'https://user:secret@photos.example/',
      'https://photos.example@127.0.0.1/',
      'https://photos.example%40@127.0.0.1/',
      `https://${PUBLIC}:443@169.254.169.254/`,
      'https://:secret@photos.example/',
      'https://photos.example:80\\@127.0.0.1@photos.example/'.replace('\\', '%5c'),
    ],
  ],
  [
    /port \d+ is not allowed/,
    [
      'https://photos.example:22/',
      'https://photos.example:80/',
      'https://photos.example:6379/',
      `https://${PUBLIC}:8443/`,
    ],
  ],
  [
    /scheme must be https/,
    [
      'http://photos.example/',
      'http://127.0.0.1/',
      'ftp://photos.example/a.png',
      'file:///etc/passwd',
      'gopher://127.0.0.1:6379/_FLUSHALL',
      'data:image/png;base64,AAAA',
      'javascript:alert(1)',
      'blob:https://photos.example/1',
      'ws://photos.example/',
      'redis://127.0.0.1/',
      'photos.example:443/a.png',
    ],
  ],
  [
    /not a valid absolute URL/,
    [
      '',
      'a.png',
      '//photos.example/a.png',
      'https://',
      'https://[fe80::1%25eth0]/',
      'https://[fe80::1%eth0]/',
      'https://[::ffff:127.0.0.1/',
      'https://1.2.3.4.5/',
      'https://256.256.256.256/',
      'https://0x7f.0.0.0x100/',
      'https://4294967296/',
      'https://photos.example:99999/',
      'https://127.0.0.1\u0000.photos.example/',
      'https://photos example/',
      'https://photos.example%00@127.0.0.1:x/',
    ],
  ],
  [/longer than 4096 characters/, [`https://photos.example/${'a'.repeat(4_096)}`]],
  [/does not resolve/, ['https://nowhere.example/', 'https://unknown.example/', 'https://1.1.1.1.example/']],
];

describe('forbidden URLs', () => {
  const cases = FORBIDDEN.flatMap(([rule, urls]) => urls.map((url): [string, RegExp] => [url, rule]));

  it('are a list of at least 70', () => {
    expect(new Set(cases.map(([url]) => url)).size).toBeGreaterThanOrEqual(70);
  });

  it.each(cases)('never dials for %j', async (url, rule) => {
    const { download, dials } = guard(UNREACHED);

    const error = await download(url, options).catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ name: 'AppError', code: 'invalid_request', retryable: false });
    expect(error).toHaveProperty('message', expect.stringMatching(rule));
    expect(error).toHaveProperty('fix', expect.any(String));
    expect(dials).toEqual([]);
  });

  it.each(cases)('never posts to %j, and registers no such address', async (url, rule) => {
    const { post, check, dials } = guard(UNREACHED);

    const outcome = await post(url, { headers: {}, body: '{}' });
    const error = await check(url).catch((thrown: unknown) => thrown);

    const isUnknown = rule.source.includes('does not resolve');
    expect(outcome).toEqual({ type: isUnknown ? 'failed' : 'refused', reason: expect.stringMatching(rule) });
    expect(error).toMatchObject({ code: 'invalid_request', message: expect.stringMatching(rule) });
    expect(dials).toEqual([]);
  });

  it.each(['127.0.0.1', '169.254.169.254', '[fd00:ec2::254]', 'localhost', 'photos.example'])(
    'does not follow a redirect to %s',
    async (host) => {
      const port = await serve((_req, res) => res.writeHead(302, { location: `https://${host}/` }).end());
      const { download, dials } = guard(port);

      await expect(download('https://photos.example/', options)).rejects.toMatchObject({
        code: 'invalid_request',
        message: 'The URL could not be fetched: the server answered 302, and redirects are not followed.',
      });
      expect(dials).toEqual([`${PUBLIC}:443`]);
    },
  );

  it('dials the address it checked when the name leads elsewhere a moment later', async () => {
    const port = await serve((_req, res) => res.end(BYTES));
    const answers = [[PUBLIC], ['127.0.0.1'], ['169.254.169.254']];
    const { download, dials } = guard(port, async () => answers.shift() ?? []);

    await expect(download('https://rebind.example/', options)).resolves.toMatchObject({ bytes: BYTES });
    await expect(download('https://rebind.example/', options)).rejects.toMatchObject({ code: 'invalid_request' });

    expect(dials).toEqual([`${PUBLIC}:443`]);
    expect(answers).toEqual([['169.254.169.254']]);
  });
});

describe('allowed URLs', () => {
  it.each([
    ['https://photos.example/a.png?size=2#top', PUBLIC],
    ['https://PHOTOS.example:443/a.png?size=2', PUBLIC],
    [`https://${PUBLIC}/a.png?size=2`, PUBLIC],
    ['https://1572394766/a.png?size=2', PUBLIC],
    ['https://0x5d.0270.215.14/a.png?size=2', PUBLIC],
    ['https://six.example/a.png?size=2', PUBLIC_V6],
    [`https://[${PUBLIC_V6}]/a.png?size=2`, PUBLIC_V6],
    ['https://mapped.example/a.png?size=2', `::ffff:${PUBLIC}`],
  ])('downloads %s from the address it stands for', async (url, address) => {
    const asked: unknown[] = [];
    const port = await serve((req, res) => {
      asked.push([req.method, req.url, req.headers.host === new URL(url).host, req.headers['accept-encoding']]);
      res.setHeader('content-type', 'image/png').end(BYTES);
    });
    const { download, dials } = guard(port);

    const finalUrl = new URL(url).href.replace('#top', '');
    await expect(download(url, options)).resolves.toEqual({ bytes: BYTES, contentType: 'image/png', finalUrl });

    expect(dials).toEqual([`${address}:443`]);
    expect(asked).toEqual([['GET', '/a.png?size=2', true, 'identity']]);
  });

  it.each(['https://photos.example/hook?a=1', `https://[${PUBLIC_V6}]/hook?a=1`, 'https://mapped.example/hook?a=1'])(
    'registers %s and posts to it',
    async (url) => {
      const asked: unknown[] = [];
      const port = await serve((req, res) => {
        asked.push([req.method, req.url, req.headers.host === new URL(url).host]);
        res.end();
      });
      const { post, check, dials } = guard(port);

      await expect(check(url)).resolves.toBeUndefined();
      expect(dials).toEqual([]);
      await expect(post(url, { headers: {}, body: '{}' })).resolves.toEqual({ type: 'answered', http: 200 });
      expect(dials).toHaveLength(1);
      expect(asked).toEqual([['POST', '/hook?a=1', true]]);
    },
  );

  it('tries the next address of the same answer when one does not accept', async () => {
    const port = await serve((_req, res) => res.end(BYTES));
    const { download, dials } = guard(port, async () => ['93.184.215.15', PUBLIC]);

    await expect(download('https://photos.example/', options)).resolves.toMatchObject({ bytes: BYTES });

    expect(dials).toEqual(['93.184.215.15:443', `${PUBLIC}:443`]);
  });
});
