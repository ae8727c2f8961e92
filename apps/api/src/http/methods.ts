/** Which methods a path takes, as the OpenAPI document has it: a test holds that against the routes. */

/** Methods by path, upper case and sorted, `HEAD` beside `GET`; none for a path that is no route. */
export function methodsByPath(paths: Readonly<Record<string, object>>): (path: string) => readonly string[] {
  const routes = Object.entries(paths).map(([path, item]) => ({ pattern: patternOf(path), methods: methodsOf(item) }));
  return (path) => routes.find(({ pattern }) => pattern.test(path))?.methods ?? [];
}

/** As Express reads it: in any case, with or without a slash at the end. */
function patternOf(path: string): RegExp {
  const parts = path.split(/(\{\w+\})/).map((part) => (part.startsWith('{') ? '[^/]+' : part.replaceAll('.', '\\.')));
  return new RegExp(`^${parts.join('').replace(/\/$/, '')}/?$`, 'i');
}

function methodsOf(item: object): string[] {
  const names = Object.keys(item).map((name) => name.toUpperCase());
  return [...names, ...(names.includes('GET') ? ['HEAD'] : [])].toSorted();
}
