import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createTlsServer } from 'node:https';
import { buildConnector } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { createSafeFetch } from './safe-fetch.ts';

const BYTES = Buffer.from('the bytes of an image');
const options = { maxBytes: 1_000 };

const der = (tag: number, ...parts: (Buffer | number[])[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const size = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
};
const text = (tag: number, value: string): Buffer => der(tag, Buffer.from(value, 'latin1'));

/** A certificate for one DNS name, signed with its own key, valid until 2049. */
function certify(name: string): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaSha256 = der(0x30, [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
  const subject = der(0x30, der(0x31, der(0x30, [0x06, 0x03, 0x55, 0x04, 0x03], text(0x0c, name))));
  const altName = der(0x30, [0x06, 0x03, 0x55, 0x1d, 0x11], der(0x04, der(0x30, text(0x82, name))));
  const body = der(
    0x30,
    der(0xa0, [0x02, 0x01, 0x02]),
    [0x02, 0x01, 0x01],
    ecdsaSha256,
    subject,
    der(0x30, text(0x17, '200101000000Z'), text(0x17, '491231235959Z')),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, altName)),
  );
  const signature = der(0x03, [0], sign('sha256', body, privateKey));
  const base64 = der(0x30, body, ecdsaSha256, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64.replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  };
}

async function startTls(name: string) {
  const { key, cert } = certify(name);
  const asked: unknown[] = [];
  const server = createTlsServer({
    key,
    cert,
    SNICallback: (asks, done) => {
      asked.push(asks);
      done(null);
    },
  });
  server.on('request', (_req, res) => res.end(BYTES));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => new Promise((done) => server.close(() => done())));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const { download } = createSafeFetch({
    lookup: async () => ['127.0.0.1'],
    connect: buildConnector({ ca: cert, allowH2: false }),
    allowAddress: (ip) => ip === '127.0.0.1',
    allowedPorts: [port],
  });
  return { port, asked, download };
}

it.each(['photos.example', 'photos.example.'])('asks the checked address for the certificate of %s', async (host) => {
  const { port, asked, download } = await startTls('photos.example');

  await expect(download(`https://${host}:${port}/`, options)).resolves.toMatchObject({ bytes: BYTES });
  expect(asked).toEqual(['photos.example']);
});

it.each(['other.example', '127.0.0.1'])('refuses a certificate that is not for %s', async (host) => {
  const { port, download } = await startTls('photos.example');

  await expect(download(`https://${host}:${port}/`, options)).rejects.toMatchObject({
    message: 'The URL could not be fetched: the server has no valid certificate for this host name.',
  });
});

it('refuses a certificate that nobody trusts', async () => {
  const { port } = await startTls('photos.example');
  const { download } = createSafeFetch({
    lookup: async () => ['127.0.0.1'],
    allowAddress: () => true,
    allowedPorts: [port],
  });

  await expect(download(`https://photos.example:${port}/`, options)).rejects.toMatchObject({
    message: expect.stringContaining('no valid certificate'),
  });
});
