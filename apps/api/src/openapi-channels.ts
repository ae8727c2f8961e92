/** The routes of channels, described. */

import { ChannelList, ChannelView } from '@darkroom/shared/schemas';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { json, operation } from './openapi-operation.ts';

const path = z.object({ id: z.string().meta({ description: 'As the configuration names it.', examples: ['gemini'] }) });
const channel = { '200': json(ChannelView, 'The channel') };
const order = (operationId: string, summary: string) => ({
  post: operation(operationId, 'channels', {
    summary: `${summary} (scope admin)`,
    params: { path },
    answers: { '200': json(ChannelView, 'The channel as it stands now') },
  }),
});

export const channelPaths: ZodOpenApiPathsObject = {
  '/v1/channels': {
    get: operation('listChannels', 'channels', {
      summary: 'The ways to reach models, and how each of them is',
      answers: { '200': json(ChannelList, 'All that are configured') },
    }),
  },
  '/v1/channels/{id}': {
    get: operation('getChannel', 'channels', { summary: 'How a channel is', params: { path }, answers: channel }),
  },
  '/v1/channels/{id}/open': order('openChannel', 'Hold it back: no call goes until close or resume'),
  '/v1/channels/{id}/close': order(
    'closeChannel',
    'It is mended: forget what was, and let its breakers go on by themselves',
  ),
  '/v1/channels/{id}/drain': order(
    'drainChannel',
    'Let calls in flight end, and make no new ones until close or resume',
  ),
  '/v1/channels/{id}/resume': order('resumeChannel', 'Take back what was said of it, and forget nothing'),
};
