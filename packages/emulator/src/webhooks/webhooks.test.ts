import { createHmac, createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from 'vitest';
import { type Emulator, startEmulator } from '../server.ts';
import { batchOf, course, create, HOUR, jsonl, MINUTE, operation, STOPPED } from '../testing/batch.ts';
import { apiErrorOf, sdk } from '../testing/client.ts';
import { call, upload } from '../testing/upload.ts';

type Received = { headers: IncomingHttpHeaders; body: string };

/** A receiver on this machine that answers with each of `statuses` in turn, and then with the last one. */
async function aReceiver(...statuses: number[]) {
  const received: Received[] = [];
  const waiting: { count: number; done: () => void }[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      let body = '';
      for await (const chunk of request.setEncoding('utf8')) body += chunk;
      received.push({ headers: request.headers, body });
      response.writeHead(statuses[Math.min(received.length, statuses.length) - 1] ?? 200).end();
      for (const { count, done } of waiting) if (received.length >= count) done();
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    uri: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/hook`,
    received,
    until: (count: number) =>
      new Promise<void>((done) => (received.length >= count ? done() : waiting.push({ count, done }))),
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const EVENTS = ['batch.succeeded', 'batch.failed', 'batch.expired'];

async function register(emulator: Emulator, uri: string, events = EVENTS) {
  const webhook = await sdk(emulator).webhooks.create({ name: 'mine', uri, subscribed_events: events });
  return { id: webhook.id ?? '', secret: webhook.new_signing_secret ?? '' };
}

/** Signatures as the receiver of this delivery would make them. */
function signatureBy(secret: string, { headers, body }: Received): string {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const text = [headers['webhook-id'], headers['webhook-timestamp'], body].join('.');
  return `v1,${createHmac('sha256', key).update(text).digest('base64')}`;
}

/** Waits until so many tries were noted: a receiver knows of its answer before the sender does. */
async function tries(emulator: Emulator, count: number): Promise<void> {
  while (emulator.control.deliveries().length < count) await new Promise((resolve) => setImmediate(resolve));
}

describe('a registered webhook', () => {
  it('is registered, shown without its secret, changed and deleted through the SDK', async () => {
    await using emulator = await startEmulator();
    const ai = sdk(emulator);
    const { id, secret } = await register(emulator, 'http://127.0.0.1:1/hook');

    expect(secret).toMatch(/^whsec_[\w+/]{43}=$/);
    const shown = await ai.webhooks.get(id);
    expect(shown).toMatchObject({ id, name: 'mine', state: 'enabled', subscribed_events: EVENTS });
    expect(JSON.stringify(shown)).not.toContain(secret);
    await ai.webhooks.update(id, { state: 'disabled', update_mask: 'state' });
    expect((await ai.webhooks.list()).webhooks).toMatchObject([{ id, state: 'disabled' }]);
    await ai.webhooks.delete(id);
    expect((await call(emulator, 'GET', `v1/webhooks/${id}`)).status).toBe(404);
    const refused = await call(emulator, 'POST', 'v1beta/webhooks', { uri: 'ftp://x', subscribed_events: EVENTS });
    expect(refused.status).toBe(400);
    const odd = await call(emulator, 'POST', 'v1/webhooks', {
      uri: 'http://127.0.0.1',
      subscribed_events: ['batch.gone'],
    });
    expect(await odd.text()).toContain('batch.gone');
  });

  it('is told of the end of a batch, signed with its secret', async () => {
    using receiver = await aReceiver(204);
    await using emulator = await startEmulator({ settings: STOPPED });
    const { secret } = await register(emulator, receiver.uri);
    const id = await batchOf(emulator, ['a']);

    emulator.control.advance(HOUR);
    await receiver.until(1);

    const [delivery] = receiver.received;
    if (!delivery) throw new Error('nothing came');
    expect(delivery.headers['webhook-signature']).toBe(signatureBy(secret, delivery));
    expect(Math.abs(Number(delivery.headers['webhook-timestamp']) * 1000 - Date.now())).toBeLessThan(10_000);
    expect(JSON.parse(delivery.body)).toEqual({
      type: 'batch.succeeded',
      version: 'v1',
      timestamp: `${(await operation(emulator, id)).metadata.endTime?.slice(0, 23)}Z`,
      data: { id: `batches/${id}`, output_file_uri: `files/batch-${id}` },
    });
  });

  it.each([
    ['failed', { error_code: 8, error_message: 'Too much.' }],
    ['expired', {}],
  ] as const)('is told that a batch %s', async (ends, data) => {
    using receiver = await aReceiver();
    await using emulator = await startEmulator({
      settings: STOPPED,
      faults: course({ ends, error: { code: 8, message: 'Too much.' } }),
    });
    await register(emulator, receiver.uri);
    const id = await batchOf(emulator, ['a']);

    emulator.control.advance(48 * HOUR);
    await receiver.until(1);

    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
      type: `batch.${ends}`,
      data: { id: `batches/${id}`, ...data },
    });
  });

  it('hears nothing of what it did not subscribe to, or while it is disabled', async () => {
    using receiver = await aReceiver();
    await using emulator = await startEmulator({ settings: STOPPED });
    await register(emulator, receiver.uri, ['batch.failed']);
    const { id } = await register(emulator, receiver.uri);
    await call(emulator, 'PATCH', `v1beta/webhooks/${id}`, { state: 'disabled' });
    await batchOf(emulator, ['a']);

    emulator.control.advance(HOUR);

    expect(emulator.control.deliveries()).toEqual([]);
  });

  it('is tried again until it says 2xx, and disabled when it never does', async () => {
    using receiver = await aReceiver(500, 503, 200, 500);
    await using emulator = await startEmulator({ settings: STOPPED });
    const { id } = await register(emulator, receiver.uri);
    await batchOf(emulator, ['a']);
    emulator.control.advance(HOUR);
    for (let count = 1; count <= 3; count += 1) {
      await tries(emulator, count);
      emulator.control.advance(10 * MINUTE);
    }

    expect(emulator.control.deliveries().map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
      [1, 500],
      [2, 503],
      [3, 200],
    ]);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);

    await batchOf(emulator, ['b']);
    emulator.control.advance(HOUR);
    for (let count = 4; count <= 10; count += 1) {
      await tries(emulator, count);
      emulator.control.advance(20 * HOUR);
    }
    expect(emulator.control.deliveries()).toHaveLength(10);
    const shown = (await (await call(emulator, 'GET', `v1/webhooks/${id}`)).json()) as { state: string };
    expect(shown.state).toBe('disabled_due_to_failed_deliveries');
  });

  it('signs with both secrets for a day after a rotation', async () => {
    using receiver = await aReceiver();
    await using emulator = await startEmulator({ settings: STOPPED });
    const ai = sdk(emulator);
    const { id, secret } = await register(emulator, receiver.uri);
    const signatures = async (count: number) => {
      await ai.webhooks.ping(id);
      await receiver.until(count);
      const delivery = receiver.received[count - 1];
      return delivery ? { delivery, signatures: String(delivery.headers['webhook-signature']).split(' ') } : undefined;
    };

    const { secret: next = '' } = await ai.webhooks.rotateSigningSecret(id, {
      revocation_behavior: 'revoke_previous_secrets_after_h24',
    });
    const both = await signatures(1);
    emulator.control.advance(24 * HOUR);
    const one = await signatures(2);

    if (!both || !one) throw new Error('nothing came');
    expect(both.signatures).toEqual([signatureBy(next, both.delivery), signatureBy(secret, both.delivery)]);
    expect(one.signatures).toEqual([signatureBy(next, one.delivery)]);
    expect(JSON.parse(one.delivery.body)).toMatchObject({ type: 'ping' });
  });
});

describe('a webhook that comes with its batch', () => {
  it('replaces the registered ones, and is signed with a key that anyone can fetch', async () => {
    using registered = await aReceiver();
    using receiver = await aReceiver();
    await using emulator = await startEmulator({ settings: STOPPED });
    await register(emulator, registered.uri);
    const file = (await upload(emulator, jsonl(['a'])))['name'] ?? '';
    await create(emulator, { file, batch: { webhookConfig: { uris: [receiver.uri], userMetadata: { chunk: 7 } } } });

    emulator.control.advance(HOUR);
    await receiver.until(1);

    const [delivery] = receiver.received;
    const [head = '', claims = '', signature = ''] = String(delivery?.headers['webhook-signature']).split('.');
    const { keys } = (await (await fetch(`${emulator.url}/.well-known/jwks.json`)).json()) as {
      keys: Record<string, string>[];
    };
    const key = createPublicKey({ key: keys[0] ?? {}, format: 'jwk' });
    const signed = Buffer.from(`${head}.${claims}`);
    expect(verify('RSA-SHA256', signed, key, Buffer.from(signature, 'base64url'))).toBe(true);
    const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
    expect(decode(head)).toMatchObject({ alg: 'RS256', kid: keys[0]?.['kid'] });
    expect(decode(claims)).toMatchObject({ aud: receiver.uri, jti: delivery?.headers['webhook-id'] });
    expect(JSON.parse(delivery?.body ?? '')).toMatchObject({ data: { user_metadata: { chunk: 7 } } });
    expect(registered.received).toEqual([]);
  });

  it('never leaves this machine', async () => {
    await using emulator = await startEmulator({ settings: STOPPED });
    const file = (await upload(emulator, jsonl(['a'])))['name'] ?? '';
    const uris = ['https://example.com/hook', 'http://127.0.0.1.example.com', 'http://10.0.0.1'];
    await create(emulator, { file, batch: { webhookConfig: { uris } } });

    emulator.control.advance(HOUR);
    await tries(emulator, 3);

    expect(emulator.control.deliveries().map(({ uri, outcome }) => [uri, outcome])).toEqual(
      uris.map((uri) => [uri, 'not_loopback']),
    );
  });
});

describe('a delivery', () => {
  it('comes twice, late, or never', async () => {
    using receiver = await aReceiver();
    await using emulator = await startEmulator({
      settings: STOPPED,
      faults: [
        { fault: { kind: 'course', pendingMs: 0, runningMs: MINUTE } },
        { match: { displayNameIncludes: 'twice' }, fault: { kind: 'delivery', copies: 2 } },
        { match: { displayNameIncludes: 'late' }, fault: { kind: 'delivery', afterMs: HOUR } },
        { match: { displayNameIncludes: 'never' }, fault: { kind: 'delivery', never: true } },
      ],
    });
    await register(emulator, receiver.uri);
    for (const displayName of ['twice', 'late', 'never']) await batchOf(emulator, ['a'], { displayName });

    emulator.control.advance(MINUTE);
    await receiver.until(2);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    await tries(emulator, 3);
    expect(
      emulator.control
        .deliveries()
        .map(({ outcome }) => outcome)
        .filter((outcome) => outcome === 'withheld'),
    ).toHaveLength(1);
    emulator.control.advance(HOUR);
    await receiver.until(3);
    expect((await apiErrorOf(sdk(emulator).batches.get({ name: 'batches/none' }))).status).toBe(404);
  });
});
