/**
 * Addresses at which no webhook may be registered, named or moved to. Where a name leads is in a table here; nothing is dialled.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../../support/start-api.ts';

const PUBLIC = '93.184.215.14';
const NAMES: Record<string, string[]> = {
  'good.example': [PUBLIC],
  'six.example': ['2606:2800:21f:cb07:6820:80da:af6b:8b2c'],
  localhost: ['127.0.0.1'],
  'app.localhost': ['::1'],
  'localhost.': ['127.0.0.1'],
  'metadata.google.internal': ['169.254.169.254'],
  'ten.example': ['10.0.0.5'],
  'router.example': ['192.168.1.1'],
  'docker.example': ['172.17.0.1'],
  'carrier.example': ['100.64.0.1'],
  'zero.example': ['0.0.0.0'],
  'six-local.example': ['fd12:3456::1'],
  'six-link.example': ['fe80::1'],
  'mapped.example': ['::ffff:10.0.0.5'],
  'nat64.example': ['64:ff9b::a00:5'],
  'mixed.example': [PUBLIC, '10.0.0.5'],
  'nobody.example': [],
};
const FORBIDDEN: [rule: RegExp, urls: string[]][] = [
  [
    /address is not a public one/,
    [
      'https://127.0.0.1/',
      'https://127.1/',
      'https://2130706433/',
      'https://017700000001/',
      'https://0x7f.1/',
      'https://0.0.0.0/',
      'https://0/',
      'https://10.0.0.1/',
      'https://172.16.0.1/',
      'https://192.168.0.1/',
      'https://169.254.169.254/computeMetadata/v1/',
      'https://2852039166/latest/meta-data/',
      'https://100.64.0.1/',
      'https://198.18.0.1/',
      'https://224.0.0.1/',
      'https://255.255.255.255/',
      'https://[::1]/',
      'https://[::]/',
      'https://[::ffff:127.0.0.1]/',
      'https://[::ffff:7f00:1]/',
      'https://[64:ff9b::a9fe:a9fe]/',
      'https://[2002:7f00:1::]/',
      'https://[fc00::1]/',
      'https://[fd00:ec2::254]/',
      'https://[fe80::1]/',
      'https://\uff11\uff12\uff17.0.0.1/',
      'https://127\u30020\u30020\u30021/',
      `https://127.0.0.1/?@${PUBLIC}/`,
    ],
  ],
  [
    /leads to an address that is not public/,
    Object.keys(NAMES)
      .filter((name) => !['good.example', 'six.example', 'nobody.example'].includes(name))
      .map((name) => `https://${name}/`),
  ],
  [/does not resolve/, ['https://nobody.example/', 'https://unknown.example/']],
  [/credentials/, ['https://user:secret@good.example/', `https://good.example@127.0.0.1/`]],
  [/port \d+ is not allowed/, ['https://good.example:22/', 'https://good.example:6379/', `https://${PUBLIC}:8443/`]],
  [
    /scheme must be https/,
    ['http://good.example/', 'http://127.0.0.1/', 'ftp://good.example/', 'file:///etc/passwd', 'redis://127.0.0.1/'],
  ],
  [/not a valid absolute URL/, ['/hook', '//good.example/', 'https://', 'https://[fe80::1%25eth0]/']],
];

const lookup = async (host: string) => {
  const found = NAMES[host];
  if (!found) throw new Error('no such name');
  return found;
};

let api: TestApi;
let endpoint: string;
beforeAll(async () => {
  api = await startApi({ lookup });
  const made = await api.call('POST', '/v1/webhook-endpoints', { body: { url: 'https://good.example/' } });
  endpoint = made.json.id;
});
afterAll(() => api[Symbol.asyncDispose]());

describe('an address', () => {
  const cases = FORBIDDEN.flatMap(([rule, urls]) => urls.map((url): [string, RegExp] => [url, rule]));

  it.each(cases)('is refused wherever it is given: %j', async (url, rule) => {
    const answers = [
      await api.call('POST', '/v1/webhook-endpoints', { body: { url } }),
      await api.call('PATCH', `/v1/webhook-endpoints/${endpoint}`, { body: { url } }),
      await api.call('POST', '/v1/jobs', { body: { prompt: 'a mug', webhook: { url } } }),
      await api.call('POST', '/v1/batches', { body: { items: [{ key: 'a', prompt: 'a mug' }], webhook: { url } } }),
    ];

    for (const [i, { status, json }] of answers.entries()) {
      expect([status, json.code, json.param]).toEqual([400, 'invalid_request', i < 2 ? 'url' : 'webhook.url']);
      expect(json.detail).toMatch(rule);
      // Not a word of where the name leads.
      expect(json.detail).not.toMatch(/\d+\.\d+\.\d+\.\d+/);
    }
  });

  it('left nothing behind by being refused', async () => {
    const { data } = (await api.call('GET', '/v1/webhook-endpoints')).json;

    expect(data).toMatchObject([{ id: endpoint, url: 'https://good.example/' }]);
    expect((await api.call('GET', '/v1/jobs')).json.data).toEqual([]);
    expect((await api.call('GET', '/v1/batches')).json.data).toEqual([]);
  });

  it.each(['https://good.example/a?b=c#d', `https://${PUBLIC}/`, 'https://six.example/', 'https://GOOD.example:443/'])(
    'is taken when all may see it: %s',
    async (url) => {
      expect((await api.call('POST', '/v1/webhook-endpoints', { body: { url } })).status).toBe(201);
    },
  );
});

describe('with WEBHOOK_HTTP', () => {
  it('this machine and plain http are taken as well, and nothing else that is not public', async () => {
    await using open = await startApi({ lookup, env: { WEBHOOK_HTTP: 'true' } });
    const status = async (url: string) => (await open.call('POST', '/v1/webhook-endpoints', { body: { url } })).status;

    expect(
      await Promise.all(
        ['http://127.0.0.1:3000/', 'http://localhost:3000/', 'http://[::1]:80/', 'http://good.example/'].map(status),
      ),
    ).toEqual([201, 201, 201, 201]);
    expect(
      await Promise.all(['http://10.0.0.1/', 'http://ten.example/', 'http://169.254.169.254/'].map(status)),
    ).toEqual([400, 400, 400]);
  });
});
