/** The GCS client, set up so that it neither hashes slowly nor retries behind our back. */

import { createSign, generateKeyPairSync } from 'node:crypto';
import { type CRC32CValidator, Storage, type StorageOptions } from '@google-cloud/storage';
import { crc32c } from '@node-rs/crc32';
import { OAuth2Client } from 'google-auth-library';
import { encodeChecksum } from '../checksum.ts';

export type GcsCredentials = { client_email: string; private_key: string };

/** It is asked for again five minutes before: at each use. */
const TOKEN_MS = 60_000;

export type Clients = {
  /** Fails at the first error: whoever calls the store retries. */
  once: Storage;
  /** For uploads of many requests, where one lost request must not cost all the others: at most 30 seconds of retries. */
  patient: Storage;
};

/** Clients for Google with the credentials of the environment, or for `apiEndpoint`, where `credentials` only sign URLs. */
export function createClients({
  apiEndpoint,
  credentials,
  token,
}: {
  apiEndpoint?: string;
  credentials?: GcsCredentials;
  /** Whose bearer is sent to Google; absent = the credentials of the environment. */
  token?: () => Promise<string>;
}): Clients {
  const options: StorageOptions = { crc32cGenerator: nativeChecksum };
  // No credentials are sent to another endpoint.
  if (apiEndpoint !== undefined) Object.assign(options, { apiEndpoint, projectId: 'darkroom' });
  if (apiEndpoint === undefined && token) Object.assign(options, { authClient: bearerOf(token) });
  // `autoRetry`, since the client takes `maxRetries: 0` for "not set" and makes it 3.
  const once = new Storage({ ...options, retryOptions: { autoRetry: false } });
  if (apiEndpoint !== undefined) signWith(once, credentials ?? throwawayCredentials());
  const retryOptions = { autoRetry: true, maxRetries: 3, maxRetryDelay: 8, totalTimeout: 30 };
  return { once, patient: new Storage({ ...options, authClient: once.authClient, retryOptions }) };
}

/** Asks for the token each time: whoever gives it knows how long it is good. */
function bearerOf(token: () => Promise<string>): OAuth2Client {
  const client = new OAuth2Client();
  client.refreshHandler = async () => ({ access_token: await token(), expiry_date: Date.now() + TOKEN_MS });
  return client;
}

// Every way to hand the client a key warns on standard error that it is deprecated, or looks for a metadata server first.
function signWith({ authClient }: Storage, { client_email, private_key }: GcsCredentials): void {
  Object.assign(authClient, {
    getCredentials: async () => ({ client_email }),
    sign: async (text: string) => createSign('RSA-SHA256').update(text).sign(private_key, 'base64'),
  });
}

/** CRC32C for the client: native, 1.6 instead of 180 ms for 20 MB. */
function nativeChecksum(): CRC32CValidator {
  let sum = 0;
  return {
    update: (data) => {
      sum = crc32c(data, sum);
    },
    toString: () => encodeChecksum(sum),
    validate: (value) => value === encodeChecksum(sum),
  };
}

// An emulator that checks no signatures still needs signed URLs to be made.
function throwawayCredentials(): GcsCredentials {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return { client_email: 'darkroom@emulator.invalid', private_key: privateKey };
}
