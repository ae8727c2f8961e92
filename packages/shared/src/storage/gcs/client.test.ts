import { expect, it } from 'vitest';
import { createClients } from './client.ts';

it('sends the token it is given, and asks for it anew each time', async () => {
  let given = 0;
  const { once, patient } = createClients({ token: async () => `token-${++given}` });
  const bearerOf = async (client: typeof once) =>
    (await client.authClient.getRequestHeaders('https://storage.googleapis.com/')).get('authorization');

  expect([await bearerOf(once), await bearerOf(once), await bearerOf(patient)]).toEqual([
    'Bearer token-1',
    'Bearer token-2',
    'Bearer token-3',
  ]);
});
