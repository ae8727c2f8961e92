import { parse, QuoteSetBody, SubmitJobBody, withFirstModel } from '@darkroom/shared/schemas';
import { expandTemplate, type JobsAsked, quoteJobs } from '@darkroom/shared/usecases';
import { Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { jsonBody } from '../http/body.ts';

type QuoteDeps = Pick<ApiDeps, 'quotes' | 'latency' | 'clock' | 'channels' | 'templates' | 'bodyLimitMb'>;

/** What jobs would cost and when they would be done, before a cent is spent. */
export function quotesRouter(deps: QuoteDeps): Router {
  const router = Router();
  router.post('/', ...jsonBody(deps.bodyLimitMb), async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    res.status(201).json(await quoteJobs(deps, tenant, await readAsked(deps, tenant, req.body as Body)));
  });
  return router;
}

type Body = Record<string, unknown>;

/** A job's own body, or a set of them under `items`. */
async function readAsked(deps: QuoteDeps, tenant: string, body: Body): Promise<JobsAsked> {
  const bodyOf = async ({ key: _key, ...item }: Body) =>
    parse(SubmitJobBody, withFirstModel(await expandTemplate(deps.templates, tenant, item)));
  if (!('items' in body)) {
    const job = parse(SubmitJobBody, withFirstModel(await expandTemplate(deps.templates, tenant, body)));
    return { bodies: [job], lane: job.lane, deadline: job.deadline, maxCost: job.max_cost };
  }
  const { items, lane, deadline, max_cost: maxCost } = parse(QuoteSetBody, body);
  // Checked as a whole above; each as it came is what a template is filled from.
  const asked = body['items'] as Body[];
  return { bodies: await Promise.all(items.map((_, n) => bodyOf(asked[n] ?? {}))), lane, deadline, maxCost };
}
