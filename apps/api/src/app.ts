import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import type { ApiDeps } from './deps.ts';
import { authenticate } from './http/authenticate.ts';
import { notFound, problemHandler } from './http/problem.ts';
import { requestLog } from './http/request-log.ts';
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
  app.use(securityHeaders());
  app.use(healthRouter(deps));
  if (deps.store.openSigned) app.use('/files', filesRouter(deps.store.openSigned));
  app.use(docsRouter());
  const auth = authenticate(deps.keys);
  app.use('/v1/jobs', auth, jobsRouter(deps));
  app.use('/v1/assets', auth, assetsRouter(deps));
  app.use('/v1/models', auth, modelsRouter());
  app.use('/v1/keys', auth, keysRouter(deps));
  app.use('/metrics', auth, metricsRouter(deps));
  app.use(notFound);
  app.use(problemHandler(deps.log));
  return app;
}

/** Helmet's defaults, without the header that would send loopback users to https. */
function securityHeaders(): RequestHandler {
  return helmet({
    strictTransportSecurity: false,
    contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
    crossOriginResourcePolicy: { policy: 'cross-origin' },
  });
}
