import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Router } from 'express';
import type { openApiDocument } from '../openapi/document.ts';

// Without `validatorUrl: null` the page shows every document's address to a validator on the internet.
const INIT = `window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
});`;

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Darkroom API</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body><div id="swagger-ui"></div><script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/init.js"></script></body>
</html>`;

/** All the page needs of its package, which also brings a page of its own that leads to somebody else's API. */
const ASSETS = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'];

/** `/openapi.json`, and `/docs`, where `/` leads: the reference page, served whole from here, so that it works offline. */
export function docsRouter(openApi: ReturnType<typeof openApiDocument>): Router {
  const router = Router();
  const document = `${JSON.stringify(openApi)}\n`;
  const root = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  router.get('/openapi.json', (_req, res) => {
    res.type('application/json').send(document);
  });
  router.get('/', (_req, res) => res.redirect('/docs'));
  router.get('/docs', (_req, res) => {
    res.type('html').send(PAGE);
  });
  router.get('/docs/init.js', (_req, res) => {
    res.type('text/javascript').send(INIT);
  });
  for (const name of ASSETS) {
    router.get(`/docs/assets/${name}`, (_req, res) => res.sendFile(name, { root, maxAge: '1d' }));
  }
  return router;
}
