/** The options of a batch as they ride in a query: the same as in a JSON body, written as text. */

const WHOLE = new Set(['priority', 'canary', 'seed']);
const LISTS = new Set(['tags', 'tools', 'locales']);
/** Fields that one text may stand for: what it then is. */
const SHORT: Record<string, string> = { cache: 'ttl', dedup: 'window', webhook: 'url' };
const NESTED = /^(mapping|metadata|cache|dedup|webhook)\[([^\]]{1,128})\]$/;

/**
 * `tags=a&tags=b` or `tags=a,b`, `mapping[SKU]=key`, `cache=24h` or `cache[ttl]=24h`, `webhook=URL&webhook[events]=job.*`,
 * `dry_run=true`; objects and lists also as JSON. What cannot be read stays text, for the schema to refuse.
 */
export function batchQuery(query: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const options = new Map<string, unknown>();
  for (const [name, value] of Object.entries(query)) {
    const [, field, key] = NESTED.exec(name) ?? [];
    if (field && key) options.set(field, new Map(entriesOf(options.get(field))).set(key, nested(field, key, value)));
    else options.set(name, beside(options.get(name), read(name, value)));
  }
  return fromEntries([...options].map(([name, value]) => [name, value instanceof Map ? fromEntries(value) : value]));
}

function nested(field: string, key: string, value: unknown): unknown {
  return field === 'webhook' && key === 'events' ? listOf(value) : value;
}

/** A short form may come after parts of the long one. */
function beside(before: unknown, value: unknown): unknown {
  return before instanceof Map ? new Map([...entriesOf(before), ...entriesOf(value)]) : value;
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
  if (LISTS.has(name)) return listOf(value);
  if (typeof value !== 'string') return value;
  if (WHOLE.has(name) && /^-?\d{1,15}$/.test(value)) return Number(value);
  if (value === 'true' || value === 'false') return name === 'name' ? value : value === 'true';
  if (/^[[{]/.test(value) && name !== 'name') return parsed(value);
  return Object.hasOwn(SHORT, name) ? { [SHORT[name] ?? '']: value } : value;
}

function listOf(value: unknown): unknown[] {
  return [value].flat().flatMap((part: unknown) => (typeof part === 'string' ? part.split(',') : [part]));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
