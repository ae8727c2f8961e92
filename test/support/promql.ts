/** What a PromQL expression asks for: which series, by which labels, and through which functions. It is not evaluated. */

export type Matcher = { label: string; op: string; value: string };

/** One selector, and what it stands in, outermost first: `sum` of `rate` of … */
export type Selector = {
  metric: string;
  matchers: Matcher[];
  range: boolean;
  within: Call[];
};

/** `by` = the labels an aggregation keeps; absent when it names none. */
type Call = { name: string; by?: string[] };

const TOKEN = /"(?:[^"\\]|\\.)*"|\d[\w.]*|\$?[A-Za-z_:][\w:]*|[=!]~|[=!<>]=|\S/g;
const OPERATORS = new Set(['and', 'or', 'unless', 'bool', 'offset']);
const LABEL_LISTS = new Set(['on', 'ignoring', 'group_left', 'group_right']);
const CLOSING: Record<string, string> = { '(': ')', '{': '}', '[': ']' };

/**
 * @returns its selectors, and the labels that its operators match on
 * @throws when brackets are not closed
 */
export function readPromql(text: string): { selectors: Selector[]; on: string[] } {
  const tokens: string[] = text.match(TOKEN) ?? [];
  const selectors: Selector[] = [];
  const on: string[] = [];
  const within: (Call | undefined)[] = [];
  let at = 0;

  function listOf(open: string): string[] {
    if (tokens[at] !== open) return [];
    const end = tokens.indexOf(CLOSING[open] ?? '', at);
    if (end < 0) throw new Error(`${open} is not closed: ${text}`);
    const list = tokens.slice(at + 1, end);
    at = end + 1;
    return list;
  }
  const namesIn = () => listOf('(').filter((token) => token !== ',');

  function call(name: string): void {
    const by = tokens[at] === 'by';
    if (by) at++;
    const names = by ? namesIn() : undefined;
    if (tokens[at] !== '(') throw new Error(`no ( behind ${name}: ${text}`);
    at++;
    within.push({ name, ...(names && { by: names }) });
  }

  function selector(metric: string): void {
    const matchers = matchersIn(listOf('{'));
    const range = listOf('[').length > 0;
    selectors.push({ metric, matchers, range, within: within.filter((one) => one !== undefined) });
  }

  while (at < tokens.length) {
    const token = tokens[at++] ?? '';
    if (token === '(') within.push(undefined);
    else if (token === ')') {
      if (within.length === 0) throw new Error(`) was never opened: ${text}`);
      within.pop();
    } else if (LABEL_LISTS.has(token)) on.push(...namesIn());
    else if (/^[A-Za-z_:]/.test(token) && !OPERATORS.has(token)) {
      if (tokens[at] === '(' || tokens[at] === 'by') call(token);
      else selector(token);
    }
  }
  if (within.length > 0) throw new Error(`( is not closed: ${text}`);
  return { selectors, on };
}

function matchersIn(tokens: string[]): Matcher[] {
  const matchers: Matcher[] = [];
  for (let i = 0; i < tokens.length; i += 4) {
    const [label = '', op = '', value = '', comma = ','] = tokens.slice(i, i + 4);
    if (!/^(=|!=|=~|!~)$/.test(op) || !value.startsWith('"') || comma !== ',')
      throw new Error(`no matcher: ${tokens.join(' ')}`);
    matchers.push({ label, op, value: value.slice(1, -1) });
  }
  return matchers;
}
