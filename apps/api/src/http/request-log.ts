import { randomUUIDv7 } from 'node:crypto';
import { idFrom } from '@darkroom/shared/domain';
import { type Log, type SpanFacts, startRequestSpan } from '@darkroom/shared/observability';
import type { Caller } from '@darkroom/shared/ports';
import type { Request, RequestHandler, Response } from 'express';
import type { ApiMetrics } from '../metrics.ts';

/** Names the request, and says in one line, and in the span of a trace, how it ended: no query, no header, no body. */
export function requestLog(log: Log, metrics: ApiMetrics): RequestHandler {
  return (req, res, next) => {
    const startedAt = performance.now();
    const requestId = idFrom('req', randomUUIDv7());
    res.locals['requestId'] = requestId;
    res.setHeader('x-request-id', requestId);
    const span = isTraced(req) ? startRequestSpan(req.method, req.headers) : undefined;
    const ended = () => {
      const ms = Math.round((performance.now() - startedAt) * 10) / 10;
      const route = routeOf(req);
      const caller = res.locals['caller'] as Caller | undefined;
      metrics.request(route, req.method, res.statusCode, ms);
      log.info(
        {
          requestId,
          method: req.method,
          route,
          status: res.statusCode,
          ms,
          ...(caller && { tenant: caller.tenant, key: caller.keyId }),
          ...(res.locals['jobId'] && { job: res.locals['jobId'] }),
          ...(!res.writableFinished && { aborted: true }),
        },
        'http.request',
      );
      const name = route === 'none' ? req.method : `${req.method} ${route}`;
      span?.end(name, factsOf(res, route), res.statusCode >= 500);
    };
    res.on('close', span ? span.around(ended) : ended);
    if (span) span.around(() => next())();
    else next();
  };
}

/** Probes and scrapes come every few seconds and lead to nothing. */
function isTraced({ path }: Request): boolean {
  return path.startsWith('/v1/');
}

function factsOf(res: Response, route: string): SpanFacts {
  const { caller, jobId, requestId } = res.locals as { caller?: Caller; jobId?: string; requestId: string };
  return {
    'http.route': route,
    'http.response.status_code': res.statusCode,
    'error.type': res.statusCode >= 500 ? String(res.statusCode) : undefined,
    'darkroom.request.id': requestId,
    'darkroom.tenant': caller?.tenant,
    'darkroom.job.id': jobId,
    'darkroom.aborted': res.writableFinished ? undefined : true,
  };
}

/** The route's pattern, so that ids never become label values. */
function routeOf(req: Request): string {
  const own = (req.route as { path?: unknown } | undefined)?.path;
  if (typeof own !== 'string') return 'none';
  return `${req.baseUrl || mountOf(req.originalUrl, own)}${own === '/' ? '' : own}` || '/';
}

/** Where the route's router is mounted: Express has forgotten it by the time an error is answered. */
function mountOf(url: string, own: string): string {
  const asked = url.split('?', 1)[0]?.split('/').filter(Boolean) ?? [];
  const length = own.includes('*') ? asked.length - 1 : own.split('/').filter(Boolean).length;
  const mount = asked.slice(0, asked.length - length);
  return mount.map((part) => `/${part.toLowerCase()}`).join('');
}
