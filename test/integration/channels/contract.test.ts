/** The contract of channels, for those that speak as Gemini does: Google's own, a relay, and Vertex. */

import { createGeminiChannel, createVertexChannel } from '@darkroom/shared/channels';
import { channelContract } from '@darkroom/shared/testing/channel-contract';
import { startChannelWorld } from '../../support/channel-world.ts';

const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-nano-banana-2.1';
// The emulator knows a token's project by its beginning, and refuses others by theirs.
const GOOD = 'studio-1.good-and-secret';
const REFUSED = 'invalid-and-secret';

const models = { [PRO]: { providerModel: PRO }, [FLASH]: { providerModel: 'gemini-nano-banana-9' } };
const about = {
  model: PRO,
  unknownModel: FLASH,
  unservedModel: 'gemini-2.5-flash-image',
  secrets: [GOOD, REFUSED],
  tellsCost: false,
  tellsUnknown: true,
  tellsRetry: true,
};

for (const auth of ['api_key', 'bearer'] as const) {
  channelContract(`gemini by ${auth}`, () =>
    startChannelWorld({
      ...about,
      tellsUnknown: auth === 'api_key',
      open: ({ credentials, baseUrl }) =>
        createGeminiChannel({
          id: 'g',
          apiKey: credentials === 'good' ? GOOD : REFUSED,
          auth,
          baseUrl,
          apiVersion: 'v1beta',
          models,
        }),
    }),
  );
}

channelContract('vertex', () =>
  startChannelWorld({
    ...about,
    tellsRetry: false,
    open: ({ credentials, baseUrl }) =>
      createVertexChannel({
        id: 'v',
        credentials: { type: 'access_token', read: () => (credentials === 'good' ? GOOD : REFUSED) },
        project: 'studio-1',
        location: 'us-central1',
        baseUrl,
        models,
        clock: { now: Date.now },
      }),
  }),
);
