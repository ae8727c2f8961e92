import { AppError, type ChannelSpec } from '@darkroom/shared/domain';
import type { Caller } from '@darkroom/shared/ports';
import { type ChannelView, didYouMean } from '@darkroom/shared/schemas';
import { CHANNEL_ORDERS, lookAtChannels, orderChannel, sightOf } from '@darkroom/shared/usecases';
import { Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';

type Deps = Pick<ApiDeps, 'channels' | 'quotas' | 'breakers' | 'lines' | 'channelTeller' | 'log'>;

/** The ways to reach models, how each of them is, and what an operator may say of one. */
export function channelsRouter(deps: Deps): Router {
  const router = Router();
  const specs = deps.channels.channels;
  const look = async (spec: ChannelSpec, { scopes }: Caller): Promise<ChannelView | undefined> =>
    (await lookAtChannels(deps, [spec], sightOf(scopes)))[0];
  router.get('/', async (_req, res) => {
    const { scopes } = callerOf(res, 'jobs:read');
    res.json({ data: await lookAtChannels(deps, specs, sightOf(scopes)) });
  });
  router.get('/:id', async (req, res) => {
    const caller = callerOf(res, 'jobs:read');
    res.json(await look(channelOf(specs, req.params.id), caller));
  });
  for (const order of CHANNEL_ORDERS) {
    router.post(`/:id/${order}`, async (req, res) => {
      const caller = callerOf(res, 'admin');
      const spec = channelOf(specs, req.params.id);
      await orderChannel(deps, spec, order);
      deps.log.info({ channel: spec.id, order, keyId: caller.keyId }, 'channel.ordered');
      res.json(await look(spec, caller));
    });
  }
  return router;
}

/** @throws AppError `not_found` */
function channelOf(specs: readonly ChannelSpec[], id: string): ChannelSpec {
  const spec = specs.find((one) => one.id === id);
  if (spec) return spec;
  const ids = specs.map((one) => one.id);
  throw new AppError('not_found', {
    message: `There is no channel ${id.slice(0, 64)}${didYouMean(id, ids) || '.'}`,
    param: 'id',
    fix: 'GET /v1/channels lists all of them.',
  });
}
