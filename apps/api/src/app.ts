import express, { type Express } from 'express';
import type { ApiDeps } from './deps.ts';
import { authenticate } from './http/authenticate.ts';
import { notFound, problemHandler } from './http/problem.ts';
import { requestLog } from './http/request-log.ts';
import { dataHeaders, pageHeaders } from './http/security-headers.ts';
import { assetsRouter } from './routes/assets.ts';
import { docsRouter } from './routes/docs.ts';
import { filesRouter } from './routes/files.ts';
import { healthRouter, metricsRouter } from './routes/health.ts';
import { jobsRouter } from './routes/jobs.ts';
import { keysRouter } from './routes/keys.ts';
import { modelsRouter } from './routes/models.ts';

/** The API: middleware and routers in the order they run. */
export function createApp(deps: ApiDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Express's own last resort shows stack traces otherwise.
  app.set('env', 'production');
  app.use(requestLog(deps.log, deps.metrics));
  const auth = authenticate(deps.keys);
  // First, because it is the way that has to be short: each router before it would be asked for every job.
  app.use('/v1/jobs', dataHeaders, auth, jobsRouter(deps));
  app.use(pageHeaders());
  app.use(healthRouter(deps));
  if (deps.store.openSigned) app.use('/files', filesRouter(deps.store.openSigned));
  app.use(docsRouter());
  app.use('/v1/assets', auth, assetsRouter(deps));
  app.use('/v1/models', auth, modelsRouter());
  app.use('/v1/keys', auth, keysRouter(deps));
  app.use('/metrics', auth, metricsRouter(deps));
  app.use(notFound);
  app.use(problemHandler(deps.log));
  return app;
}
