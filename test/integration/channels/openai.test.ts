/** OpenAI's images interface over real sockets, and the contract against the emulator's modes of it. */

import { createOpenAiChannel, createOpenRouterChannel } from '@darkroom/shared/channels';
import { channelContract } from '@darkroom/shared/testing/channel-contract';
import { startChannelWorld } from '../../support/channel-world.ts';

const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-nano-banana-2.1';
const GOOD = 'sk-good-and-secret';
const REFUSED = 'invalid-and-secret';

const models = { [PRO]: { providerModel: 'gpt-image-1' }, [FLASH]: { providerModel: 'gpt-image-9' } };
const about = {
  model: PRO,
  unknownModel: FLASH,
  unservedModel: 'gemini-2.5-flash-image',
  secrets: [GOOD, REFUSED],
  tellsCost: false,
  tellsUnknown: true,
  tellsRetry: true,
};
const keyOf = (credentials: 'good' | 'refused') => (credentials === 'good' ? GOOD : REFUSED);
const flat = { settings: { relay: { price_micros: 40_000 } }, price: { perImage: { '1K': 40_000 } } };

channelContract('openai', () =>
  startChannelWorld({
    ...about,
    ...flat,
    open: ({ credentials, baseUrl }) =>
      createOpenAiChannel({ id: 'o', apiKey: keyOf(credentials), baseUrl: `${baseUrl}/v1`, models }),
  }),
);

channelContract('openai at Google’s compatible endpoint', () =>
  startChannelWorld({
    ...about,
    guessesCost: true,
    open: ({ credentials, baseUrl }) =>
      createOpenAiChannel({
        id: 'c',
        apiKey: keyOf(credentials),
        baseUrl: `${baseUrl}/v1beta/openai`,
        models: { [PRO]: { providerModel: PRO }, [FLASH]: { providerModel: 'gemini-nano-banana-9' } },
      }),
  }),
);

channelContract('openrouter’s chat at a relay that writes images into its words', () =>
  startChannelWorld({
    ...about,
    ...flat,
    tellsUnknown: false,
    listsModels: true,
    tellsRetry: false,
    open: ({ credentials, baseUrl }) =>
      createOpenRouterChannel({
        id: 'r',
        apiKey: keyOf(credentials),
        baseUrl: `${baseUrl}/v1`,
        models: { [PRO]: { providerModel: PRO }, [FLASH]: { providerModel: 'gemini-nano-banana-9' } },
      }),
  }),
);
