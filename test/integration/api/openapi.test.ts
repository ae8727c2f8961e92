import { ERROR_CODES } from '@darkroom/shared/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../../apps/api/src/app.ts';
import { type Json, startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
let document: Json;

beforeAll(async () => {
  api = await startApi();
  document = (await api.call('GET', '/openapi.json', { key: '' })).json;
});
afterAll(() => api[Symbol.asyncDispose]());

/** Reached through links that are made here and opaque, or parts of the page; nobody calls them by their address. */
const UNLISTED = [/^GET \/files\//, /^GET \/docs\//];

type Layer = {
  route?: { path: string; methods: Record<string, boolean> };
  name: string;
  handle: { stack?: Layer[] };
  matchers?: ((path: string) => unknown)[];
};

/** Every route of the app, as `GET /v1/jobs/{id}`. */
function routesOf(stack: Layer[], prefix: string): string[] {
  return stack.flatMap(({ route }) => {
    if (!route) return [];
    const methods = Object.keys(route.methods).filter((method) => method !== '_all');
    return methods.map((method) => `${method.toUpperCase()} ${prefix}${route.path}`.replaceAll(/:(\w+)/g, '{$1}'));
  });
}

const MOUNTS = [
  '/v1/jobs',
  '/v1/batches',
  '/v1/actions',
  '/v1/assets',
  '/v1/events',
  '/v1/webhook-endpoints',
  '/v1/webhook-secret',
  '/v1/deliveries',
  '/v1/models',
  '/v1/templates',
  '/v1/quotes',
  '/v1/channels',
  '/v1/limits',
  '/v1/doctor',
  '/v1/keys',
  '/v1/provider-webhooks',
  '/metrics',
  '/files',
  '',
];

/** Routers are found by asking where they are mounted: Express keeps no path of its own. */
function appRoutes(): string[] {
  const app = createApp(api.deps) as unknown as { router: { stack: Layer[] } };
  return app.router.stack
    .filter(({ handle }) => handle.stack)
    .flatMap((layer) => {
      const mount = MOUNTS.find((path) => path === '' || layer.matchers?.some((matches) => matches(path))) ?? '';
      return routesOf(layer.handle.stack ?? [], rootMounted(layer) ? '' : mount);
    })
    .map((route) => route.replace(/([^ ])\/$/, '$1'));
}

/** A router without a path of its own matches any. */
function rootMounted({ matchers }: Layer): boolean {
  return matchers?.some((matches) => matches('/nowhere-at-all')) ?? false;
}

function documentRoutes(): string[] {
  return Object.entries(document.paths as Record<string, object>).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

describe('the OpenAPI document', () => {
  it('is served without a key', () => {
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Darkroom', version: expect.any(String) } });
  });

  it('has every route of the app, and no other', () => {
    const listed = appRoutes().filter((route) => !UNLISTED.some((pattern) => pattern.test(route)));

    expect([...new Set(listed)].toSorted()).toEqual(documentRoutes().toSorted());
  });

  it('is sound: unique operations, parameters that are in their paths, references that lead somewhere', () => {
    const operations = Object.entries(document.paths as Record<string, Record<string, Json>>).flatMap(([path, item]) =>
      Object.values(item).map((operation) => ({ path, operation })),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);

    for (const { path, operation } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const declared = (operation.parameters ?? []).filter((parameter: Json) => parameter.in === 'path');
      expect(declared.map(({ name }: Json) => name).toSorted()).toEqual(inPath.toSorted());
      expect(declared.every(({ required }: Json) => required === true)).toBe(true);
      expect(operation.summary).toMatch(/\w/);
      for (const [status, response] of Object.entries<Json>(operation.responses)) {
        expect(status).toMatch(/^([1-5]\d\d|[1-5]XX)$/);
        expect(response.description).toMatch(/\w/);
      }
    }
    for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      expect(document.components.schemas).toHaveProperty(name ?? '');
    }
  });

  it('promises problem details for every error, and says which routes need no key', () => {
    for (const [path, item] of Object.entries<Json>(document.paths)) {
      for (const operation of Object.values<Json>(item)) {
        const problem = operation.responses['4XX'].content['application/problem+json'].schema;
        expect(problem).toEqual({ $ref: '#/components/schemas/Problem' });
        expect([path, operation.security ?? document.security]).toEqual([
          path,
          /^\/(livez|readyz|docs|openapi\.json|errors\/\{code\}|v1\/provider-webhooks\/gemini)?$/.test(path)
            ? []
            : [{ bearer: [] }, { apiKey: [] }, { googleApiKey: [] }],
        ]);
      }
    }
  });

  it('describes the body closed, with every field that is taken', () => {
    const schema = document.components.schemas.SubmitJob;

    expect(schema.additionalProperties).toBe(false);
    expect(schema.required).toBeUndefined();
    expect(Object.keys(schema.properties).toSorted()).toEqual(
      'aspect_ratio cache deadline dedup lane locale max_cost metadata model on_unknown_outcome priority prompt quote references routing safety seed size tags template thinking tools variables webhook'.split(
        ' ',
      ),
    );
  });
});

describe('what the document says of a field', () => {
  /** Names of properties without a description, also of their own or of what they refer to. */
  const undescribed = (name: string) =>
    Object.entries<Json>(document.components.schemas[name].properties)
      .filter(([, schema]) => !schema.description && !schema.$ref)
      .map(([field]) => field);

  it.each([
    'SubmitJob',
    'Reference',
    'CreateKey',
    'Job',
    'Image',
    'Attempt',
    'JobError',
    'CreateWebhookEndpoint',
    'UpdateWebhookEndpoint',
    'WebhookEndpoint',
    'Delivery',
    'DeliveryTry',
  ])('is never nothing in %s', (name) => {
    expect(undescribed(name)).toEqual([]);
  });

  it('is never nothing in a query or a header', () => {
    const silent = Object.entries<Json>(document.paths)
      .filter(([path]) => !path.startsWith('/v1/batches') && !path.startsWith('/v1/templates'))
      .flatMap(([path, item]) =>
        Object.values<Json>(item).flatMap(({ parameters = [] }) => parameters.map((one: Json) => ({ path, ...one }))),
      )
      .filter((parameter) => parameter.in !== 'path' && !parameter.description && !parameter.schema.description);

    expect(silent).toEqual([]);
  });
});

describe('the type of a problem', () => {
  it('leads to what it means, for every code, and without a key', async () => {
    const { json: problem } = await api.call('GET', '/v1/jobs/unknown');
    expect(problem.type).toBe('/errors/not_found');

    for (const code of ERROR_CODES) {
      const { status, json } = await api.call('GET', `/errors/${code}`, { key: '' });
      expect([status, json.type, json.code]).toEqual([200, `/errors/${code}`, code]);
      expect([json.title, json.category, json.status]).toEqual([
        expect.stringMatching(/\w/),
        expect.stringMatching(/\w/),
        expect.any(Number),
      ]);
    }
    const { title, status, category } = (await api.call('GET', problem.type, { key: '' })).json;
    expect(problem).toMatchObject({ title, status, category });
  });

  it.each(['nothing', 'constructor', '__proto__', 'NOT_FOUND'])('is not %s', async (code) => {
    const { status, json } = await api.call('GET', `/errors/${code}`, { key: '' });

    expect([status, json.code, json.param]).toEqual([404, 'not_found', 'code']);
  });
});

describe('/', () => {
  it('leads to the reference page', async () => {
    const { status, headers } = await api.call('GET', '/', { key: '' });

    expect([status, headers.get('location')]).toEqual([302, '/docs']);
  });
});

describe('/docs', () => {
  it('is whole: every part is served from here, of the right type', async () => {
    const page = await fetch(`${api.url}/docs`);
    const html = await page.text();
    const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');

    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(parts.length).toBeGreaterThanOrEqual(4);
    for (const part of parts) {
      expect(part).toMatch(/^\/docs\//);
      const answer = await fetch(`${api.url}${part}`);
      expect([part, answer.status]).toEqual([part, 200]);
      expect(answer.headers.get('content-type')).toMatch(/^(text\/(css|javascript)|image\/png)/);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(50);
    }
  });

  it('runs no script but its own, and asks nobody else', async () => {
    const policy = (await fetch(`${api.url}/docs`)).headers.get('content-security-policy') ?? '';

    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain("script-src 'self' 'unsafe");
    expect(await (await fetch(`${api.url}/docs/init.js`)).text()).toContain('validatorUrl: null');
  });

  it.each(['index.html', 'package.json', 'swagger-initializer.js', '..%2f..%2fpackage.json', 'oauth2-redirect.html'])(
    'serves no more of its package than it needs: %s',
    async (name) => {
      expect((await fetch(`${api.url}/docs/assets/${name}`)).status).toBe(404);
    },
  );
});

describe('/v1/models', () => {
  it('tells what each model can do and costs', async () => {
    const { data } = (await api.call('GET', '/v1/models')).json;

    expect(data.length).toBeGreaterThanOrEqual(5);
    for (const model of data) {
      expect(model.sizes).toContain(model.default_size);
      expect(Object.keys(model.prices)).toEqual(model.lanes);
      expect(Object.keys(model.prices.standard)).toEqual(model.sizes);
      expect(Object.values<string>(model.prices.standard).every((price) => Number(price) > 0)).toBe(true);
      const body = { prompt: 'x', model: model.id, size: model.sizes.at(-1), aspect_ratio: model.aspect_ratios[0] };
      expect((await api.call('POST', '/v1/jobs', { body: { ...body, dedup: false } })).status).toBe(202);
    }
  });
});

describe('an address that is none', () => {
  it.each([
    ['GET', '/nowhere'],
    ['GET', '/v2/jobs'],
    ['GET', '/v1/job'],
    ['GET', '/admin'],
    ['GET', '/.env'],
    ['POST', '/livez/x'],
    ['GET', '/docs/init.jsx'],
  ])('is a problem like any other: %s %s', async (method, path) => {
    const answer = await api.call(method, path, { key: '' });

    expect(answer.json).toMatchObject({ status: 404, code: 'not_found', fix: expect.stringContaining('/docs') });
  });

  it.each([
    ['DELETE', '/v1/jobs/x', 'GET, HEAD, PUT'],
    ['PATCH', '/v1/jobs/x', 'GET, HEAD, PUT'],
    ['POST', '/v1/jobs/x', 'GET, HEAD, PUT'],
    ['POST', '/V1/Jobs/x/', 'GET, HEAD, PUT'],
    ['GET', '/v1/jobs/x/cancel', 'POST'],
    ['PUT', '/v1/jobs', 'GET, HEAD, POST'],
    ['DELETE', '/v1/assets/x', 'GET, HEAD'],
    ['POST', '/v1/models', 'GET, HEAD'],
    ['POST', '/livez', 'GET, HEAD'],
    ['DELETE', '/openapi.json', 'GET, HEAD'],
    ['POST', '/', 'GET, HEAD'],
    ['PUT', '/files/results/x.png', 'GET, HEAD'],
  ])('is one by other methods, which the answer names: %s %s', async (method, path, allow) => {
    const { status, headers, json } = await api.call(method, path);

    expect([status, json.code, headers.get('allow')]).toEqual([405, 'method_not_allowed', allow]);
    expect(json.fix).toContain(allow.replaceAll(', ', ' or '));
  });

  it('is not told from others without a key', async () => {
    expect((await api.call('DELETE', '/v1/jobs/x', { key: '' })).status).toBe(401);
  });
});
