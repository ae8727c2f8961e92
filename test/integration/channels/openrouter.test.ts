/** OpenRouter's two shapes over real sockets, and the contract against the emulator's modes of them. */

import { createOpenRouterChannel } from '@darkroom/shared/channels';
import { channelContract } from '@darkroom/shared/testing/channel-contract';
import { startChannelWorld } from '../../support/channel-world.ts';

const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-nano-banana-2.1';
const GOOD = 'sk-or-v1-good-and-secret';
const REFUSED = 'invalid-and-secret';

const models = { [PRO]: { providerModel: `google/${PRO}` }, [FLASH]: { providerModel: 'google/gemini-nano-banana-9' } };
const about = {
  model: PRO,
  unknownModel: FLASH,
  unservedModel: 'gemini-2.5-flash-image',
  secrets: [GOOD, REFUSED],
  tellsCost: true,
  tellsUnknown: true,
  tellsRetry: true,
};

for (const shape of ['chat', 'images'] as const) {
  channelContract(`openrouter by ${shape}`, () =>
    startChannelWorld({
      ...about,
      open: ({ credentials, baseUrl }) =>
        createOpenRouterChannel({
          id: 'or',
          apiKey: credentials === 'good' ? GOOD : REFUSED,
          baseUrl: `${baseUrl}/api/v1`,
          shape,
          models,
        }),
    }),
  );
}
