/** What is wrong with how an expression asks for series, given what the programs tell. */

import { type AttemptEnd, CALL_ENDS, ERROR_CODES } from '@darkroom/shared/domain';
import { type Matcher, readPromql, type Selector } from './promql.ts';
import type { Metric } from './scrape.ts';

export type Metrics = ReadonlyMap<string, Metric>;

/** What Prometheus puts on every series itself. */
const ADDED = ['job', 'instance'];
const UP: Metric = { name: 'up', type: 'gauge', help: '', labels: new Set(), samples: [] };

type Outcome = 'succeeded' | 'content_blocked' | 'no_image' | Exclude<AttemptEnd['type'], 'image' | 'refused'>;
const OUTCOMES: Record<Outcome, true> = {
  succeeded: true,
  content_blocked: true,
  no_image: true,
  rejected: true,
  unsent: true,
  in_doubt: true,
};
/** What a label's values are, where not all of them need have been seen. */
const VALUES: Record<string, readonly string[]> = {
  error: ERROR_CODES,
  outcome: Object.keys(OUTCOMES),
  end: CALL_ENDS,
  route: ['/readyz', '/v1/jobs', '/v1/batches'],
  method: ['POST', 'PUT'],
  status: ['500', '503'],
};

const AGGREGATIONS = new Set(['sum', 'max', 'min', 'avg', 'count', 'absent']);

/** Everything that is wrong with the expression; none = it can be answered. */
export function promqlFaults(expr: string, metrics: Metrics): string[] {
  const { selectors, on } = readPromql(expr);
  if (selectors.length === 0) return ['it asks for nothing'];
  const labels = new Set(selectors.flatMap(({ metric }) => labelsOf(metric, metrics)));
  const unknown = on.filter((label) => !labels.has(label)).map((label) => `nothing here has the label ${label}`);
  return [...selectors.flatMap((selector) => faultsOf(selector, metrics)), ...unknown];
}

/** The metric that a series belongs to: `x_bucket` is of the histogram `x`. */
export function metricOf(series: string, metrics: Metrics): Metric | undefined {
  if (series === UP.name) return UP;
  const family = metrics.get(series.replace(/_(bucket|sum|count)$/, ''));
  return metrics.get(series) ?? (family?.type === 'histogram' ? family : undefined);
}

/** The labels that are left on what an expression yields, by its first selector. */
export function labelsLeft(expr: string, metrics: Metrics): string[] {
  const [first] = readPromql(expr).selectors;
  const outermost = first?.within.find(({ name }) => AGGREGATIONS.has(name));
  return outermost ? (outermost.by ?? []) : labelsOf(first?.metric ?? '', metrics);
}

/** Whether a value passes a matcher's pattern, which is anchored at both ends. */
export function fits({ op, value: pattern }: Pick<Matcher, 'op' | 'value'>, value: string): boolean {
  return op.endsWith('~') ? new RegExp(`^(?:${pattern})$`).test(value) : value === pattern;
}

function labelsOf(series: string, metrics: Metrics): string[] {
  return [...ADDED, ...(metricOf(series, metrics)?.labels ?? [])];
}

function faultsOf(selector: Selector, metrics: Metrics): string[] {
  const { metric, matchers, within } = selector;
  const found = metricOf(metric, metrics);
  if (!found) return [`there is no ${metric}`];
  const labels = labelsOf(metric, metrics);
  const asked = [
    ...within.flatMap(({ by = [] }) => by).filter((label) => label !== 'le'),
    ...matchers.map((it) => it.label),
  ];
  return [
    ...kindFaults(selector, found).map((fault) => `${metric}: ${fault}`),
    ...asked.filter((label) => !labels.includes(label)).map((label) => `${metric} has no label ${label}`),
    ...matchers.flatMap((it) => strangers(it, found).map((value) => `${metric}: ${it.label} is never ${value}`)),
  ];
}

/** Whether it is asked for as its kind wants it. */
function kindFaults({ metric, range, within }: Selector, { name, type, help }: Metric): string[] {
  const inner = within.at(-1)?.name ?? '';
  const aggregation = within.findLast((call) => AGGREGATIONS.has(call.name));
  const counts = type === 'counter' || (type === 'histogram' && metric !== name);
  const isQuantile = within[0]?.name === 'histogram_quantile' && aggregation?.by?.includes('le');
  const faults: string[] = [];
  if (range !== /^(rate|increase|delta|changes)$/.test(inner)) faults.push('a range and a rate go together');
  if (counts !== /^(rate|increase)$/.test(inner)) faults.push('rates are of counters, and counters are seen by rates');
  if (metric.endsWith('_bucket') && !isQuantile) faults.push('buckets are for quantiles of a sum by le');
  if (help.includes('take the max') && aggregation?.name !== 'max')
    faults.push('every process says the same: take the max');
  return faults;
}

/** The alternatives of a matcher that no value of the label fits. */
function strangers({ label, op, value }: Matcher, { samples }: Metric): string[] {
  if (ADDED.includes(label)) return [];
  const values = [...samples.flatMap(({ labels }) => labels[label] ?? []), ...(VALUES[label] ?? [])];
  const alternatives = op.endsWith('~') && !value.includes('(') ? value.split('|') : [value];
  return alternatives.filter((one) => !values.some((it) => fits({ op, value: one }, it)));
}
