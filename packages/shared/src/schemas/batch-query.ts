/** The options of a batch as they ride in a query: the same as in a JSON body, written as text. */

const WHOLE = new Set(['priority', 'canary', 'seed']);
const LISTS = new Set(['tags', 'tools', 'locales']);
const LIVES: Record<string, string> = { cache: 'ttl', dedup: 'window' };
const NESTED = /^(mapping|metadata|cache|dedup)\[([^\]]{1,128})\]$/;

/**
 * `tags=a&tags=b` or `tags=a,b`, `mapping[SKU]=key`, `cache=24h` or `cache[ttl]=24h`, `dry_run=true`; objects and lists also
 * as JSON. What cannot be read stays text, for the schema to refuse.
 */
export function batchQuery(query: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const options = new Map<string, unknown>();
  for (const [name, value] of Object.entries(query)) {
    const [, field, key] = NESTED.exec(name) ?? [];
    if (field && key) options.set(field, new Map(entriesOf(options.get(field))).set(key, value));
    else options.set(name, read(name, value));
  }
  return fromEntries([...options].map(([name, value]) => [name, value instanceof Map ? fromEntries(value) : value]));
}

function entriesOf(value: unknown): [string, unknown][] {
  if (value instanceof Map) return [...(value as Map<string, unknown>)];
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

/** Own members whatever their name, `__proto__` too: the schema refuses what it does not know. */
function fromEntries(entries: Iterable<[string, unknown]>): Record<string, unknown> {
  return Object.fromEntries(entries);
}

function read(name: string, value: unknown): unknown {
  if (LISTS.has(name)) {
    const parts = Array.isArray(value) ? value : [value];
    return parts.flatMap((part) => (typeof part === 'string' ? part.split(',') : [part]));
  }
  if (typeof value !== 'string') return value;
  if (WHOLE.has(name) && /^-?\d{1,15}$/.test(value)) return Number(value);
  if (value === 'true' || value === 'false') return name === 'name' ? value : value === 'true';
  if (/^[[{]/.test(value) && name !== 'name') return parsed(value);
  return Object.hasOwn(LIVES, name) ? { [LIVES[name] ?? '']: value } : value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
