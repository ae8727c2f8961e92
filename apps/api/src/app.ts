import { REFERENCE_BYTES_MAX } from '@darkroom/shared/usecases';
import express, { type Express } from 'express';
import type { ApiDeps } from './deps.ts';
import { authenticate } from './http/authenticate.ts';
import { bodyBudget } from './http/body-budget.ts';
import { createFailureLimit } from './http/failure-limit.ts';
import { inTurn } from './http/in-turn.ts';
import { methodsByPath } from './http/methods.ts';
import { notFound, problemHandler } from './http/problem.ts';
import { requestLog } from './http/request-log.ts';
import { dataHeaders, pageHeaders } from './http/security-headers.ts';
import { sendJson } from './http/send-json.ts';
import { openApiDocument } from './openapi/document.ts';
import { actionsRouter } from './routes/actions.ts';
import { assetsRouter } from './routes/assets.ts';
import { batchesRouter } from './routes/batches.ts';
import { channelsRouter } from './routes/channels.ts';
import { deliveriesRouter } from './routes/deliveries.ts';
import { docsRouter } from './routes/docs.ts';
import { doctorRouter } from './routes/doctor.ts';
import { errorsRouter } from './routes/errors.ts';
import { eventsRouter } from './routes/events.ts';
import { filesRouter } from './routes/files.ts';
import { healthRouter, metricsRouter } from './routes/health.ts';
import { jobsRouter } from './routes/jobs.ts';
import { keysRouter } from './routes/keys.ts';
import { limitsRouter } from './routes/limits.ts';
import { modelsRouter } from './routes/models.ts';
import { providerWebhooksRouter } from './routes/provider-webhooks.ts';
import { quotesRouter } from './routes/quotes.ts';
import { replaysRouter } from './routes/replays.ts';
import { templatesRouter } from './routes/templates.ts';
import { webhookEndpointsRouter, webhookSecretRouter } from './routes/webhook-endpoints.ts';

const MEBIBYTE = 1_048_576;

/** The API: middleware and routers in the order they run. */
export function createApp(deps: ApiDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Express's own last resort shows stack traces otherwise.
  app.set('env', 'production');
  app.response.json = function json(value) {
    sendJson(this, this.statusCode, value);
    return this;
  };
  app.use(requestLog(deps.log, deps.metrics));
  const failures = createFailureLimit({ max: deps.authFailuresMax, now: () => deps.clock.now() });
  const auth = authenticate(deps.keys, failures);
  const document = openApiDocument();
  const budget = bodyBudget({
    totalBytes: deps.bodiesMaxMb * MEBIBYTE,
    largest: Math.max(deps.bodyLimitMb * MEBIBYTE, REFERENCE_BYTES_MAX),
  });
  // First, because it is the way that has to be short: each router before it would be asked for every job.
  app.use('/v1/jobs', inTurn(dataHeaders, auth, budget), jobsRouter(deps));
  app.use(pageHeaders());
  app.use(healthRouter(deps));
  if (deps.store.openSigned) app.use('/files', filesRouter(deps.store.openSigned));
  app.use(docsRouter(document));
  app.use(errorsRouter());
  app.use('/v1/assets', auth, budget, assetsRouter(deps));
  app.use('/v1/batches', auth, batchesRouter(deps));
  app.use('/v1/actions', auth, budget, actionsRouter(deps));
  app.use('/v1/events', auth, eventsRouter(deps));
  app.use('/v1/webhook-endpoints', auth, budget, webhookEndpointsRouter(deps), replaysRouter(deps));
  app.use('/v1/webhook-secret', auth, budget, webhookSecretRouter(deps));
  app.use('/v1/deliveries', auth, deliveriesRouter(deps));
  app.use('/v1/models', auth, modelsRouter(deps));
  app.use('/v1/quotes', auth, budget, quotesRouter(deps));
  app.use('/v1/templates', auth, budget, templatesRouter(deps));
  app.use('/v1/channels', auth, channelsRouter(deps));
  app.use('/v1/limits', auth, limitsRouter(deps));
  app.use('/v1/doctor', auth, doctorRouter(deps));
  app.use('/v1/keys', auth, budget, keysRouter(deps));
  app.use('/v1/provider-webhooks', providerWebhooksRouter(deps));
  app.use('/metrics', auth, metricsRouter(deps));
  app.use(notFound(methodsByPath(document.paths ?? {})));
  app.use(problemHandler(deps.log));
  return app;
}
