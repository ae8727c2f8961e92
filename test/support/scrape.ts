/** What a program's `/metrics` says, read from its text. */

type Sample = { name: string; labels: Record<string, string>; value: number };

/** One metric: its samples may bear its name with `_bucket`, `_sum` or `_count` behind it. */
export type Metric = { name: string; type: string; help: string; labels: Set<string>; samples: Sample[] };

/** @returns by name, in the order in which they are told */
export function readScrape(text: string): Map<string, Metric> {
  const metrics = new Map<string, Metric>();
  let current: Metric | undefined;
  for (const line of text.split('\n')) {
    const [, name = '', help = ''] = /^# HELP (\S+) (.*)$/.exec(line) ?? [];
    const [, typed, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name) current = { name, type: '', help, labels: new Set(), samples: [] };
    if (current && name) metrics.set(name, current);
    if (current && typed === current.name && type) current.type = type;
    if (current && line && !line.startsWith('#')) addSample(current, line);
  }
  return metrics;
}

function addSample(metric: Metric, line: string): void {
  const [, name = '', labelled = '', value] = /^([^{\s]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (!name) throw new Error(`no sample: ${line}`);
  const pairs = [...labelled.matchAll(/([^=,]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text]);
  const labels: Record<string, string> = Object.fromEntries(pairs);
  metric.samples.push({ name, labels, value: Number(value) });
  for (const key of Object.keys(labels)) {
    if (!(metric.type === 'histogram' && key === 'le') && !(metric.type === 'summary' && key === 'quantile'))
      metric.labels.add(key);
  }
}
