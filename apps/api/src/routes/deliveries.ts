/** `/v1/deliveries`: one event on its way to one receiver. */

import type { Delivery } from '@darkroom/shared/domain';
import type { DeliveryView } from '@darkroom/shared/schemas';
import { findDelivery, presentDeliveries, resendDelivery } from '@darkroom/shared/usecases';
import { Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';

export function deliveriesRouter(deps: ApiDeps): Router {
  const router = Router();
  router.get('/:id', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    res.json(await present(deps, await findDelivery(deps, tenant, req.params.id)));
  });
  router.post('/:id/resend', async (req, res) => {
    const { tenant } = callerOf(res, 'webhooks:write');
    res.status(202).json(await present(deps, await resendDelivery(deps, tenant, req.params.id)));
  });
  return router;
}

async function present(deps: ApiDeps, delivery: Delivery): Promise<DeliveryView | undefined> {
  const [view] = await presentDeliveries(deps, delivery.tenant, [delivery]);
  return view;
}
