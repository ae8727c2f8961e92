/** The routes of channels, models and limits, and of the doctor, described. */

import { ChannelList, ChannelView, DoctorView, LimitList, ModelList, ResumedModel } from '@darkroom/shared/schemas';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { CHANNEL_EXAMPLES, CHANNEL_PROBLEMS } from './channel-examples.ts';
import { json, operation } from './operation.ts';

const { noChannel, noModel, noAdmin } = CHANNEL_PROBLEMS;

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
  '/v1/models': {
    get: operation('listModels', 'models', {
      summary: 'What each model can do, what it costs, and whether it can be had now',
      answers: { '200': json(ModelList, 'All', CHANNEL_EXAMPLES.models) },
    }),
  },
  '/v1/limits': {
    get: operation('listLimits', 'limits', {
      summary:
        'How much of its limits each model has used on each channel, which are paused, and what bounds the caller',
      answers: {
        '200': json(
          LimitList,
          'All models of all channels, and the bounds of the tenant and key that ask',
          CHANNEL_EXAMPLES.limits,
        ),
      },
    }),
  },
  '/v1/limits/{model}/resume': {
    post: operation('resumeModel', 'limits', {
      summary: 'End the pause of a model now (scope admin)',
      params: { path: z.object({ model: z.string() }) },
      answers: { '200': json(ResumedModel, 'It may be called again', CHANNEL_EXAMPLES.resumed) },
      problems: { not_found: noModel, forbidden: noAdmin },
    }),
  },
  '/v1/doctor': {
    get: operation('examine', 'health', {
      summary: 'What is wrong with this installation, and how to mend it; costs nothing (scope admin)',
      answers: { '200': json(DoctorView, 'All that was looked at', CHANNEL_EXAMPLES.doctor) },
      problems: { forbidden: noAdmin },
    }),
  },
};
