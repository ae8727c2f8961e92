/** The routes of channels, described. */

import { ChannelList, ChannelView } from '@darkroom/shared/schemas';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { CHANNEL_EXAMPLES, CHANNEL_PROBLEMS } from './openapi-channel-examples.ts';
import { json, operation } from './openapi-operation.ts';

const { noChannel, noAdmin } = CHANNEL_PROBLEMS;

const path = z.object({ id: z.string().meta({ description: 'As the configuration names it.', examples: ['gemini'] }) });
const order = (operationId: string, summary: string, after: object) => ({
  post: operation(operationId, 'channels', {
    summary: `${summary} (scope admin)`,
    params: { path },
    answers: { '200': json(ChannelView, 'The channel as it stands now', after) },
    problems: { not_found: noChannel, forbidden: noAdmin },
  }),
});

export const channelPaths: ZodOpenApiPathsObject = {
  '/v1/channels': {
    get: operation('listChannels', 'channels', {
      summary: 'The ways to reach models, and how each of them is',
      answers: { '200': json(ChannelList, 'All that are configured', CHANNEL_EXAMPLES.channels) },
    }),
  },
  '/v1/channels/{id}': {
    get: operation('getChannel', 'channels', {
      summary: 'How a channel is',
      params: { path },
      answers: { '200': json(ChannelView, 'The channel', CHANNEL_EXAMPLES.channel) },
      problems: { not_found: noChannel },
    }),
  },
  '/v1/channels/{id}/open': order(
    'openChannel',
    'Hold it back: no call goes until close or resume',
    CHANNEL_EXAMPLES.opened,
  ),
  '/v1/channels/{id}/close': order(
    'closeChannel',
    'It is mended: forget what was, and let its breakers go on by themselves',
    CHANNEL_EXAMPLES.channel,
  ),
  '/v1/channels/{id}/drain': order(
    'drainChannel',
    'Let calls in flight end, and make no new ones until close or resume',
    CHANNEL_EXAMPLES.drained,
  ),
  '/v1/channels/{id}/resume': order(
    'resumeChannel',
    'Take back what was said of it, and forget nothing',
    CHANNEL_EXAMPLES.channel,
  ),
};
