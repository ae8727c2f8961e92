/** The files under `deploy/`, held against what the API and a worker really tell of themselves. */

import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readPlainYaml } from '../support/plain-yaml.ts';
import { readPromql } from '../support/promql.ts';
import { fits, labelsLeft, type Metrics, metricOf, promqlFaults } from '../support/promql-faults.ts';
import { testRedisUrl } from '../support/redis.ts';
import { startSystem } from '../support/system.ts';
import { everythingToldBy, metricsTable, TOLD_CHANNEL, type Told } from '../support/told.ts';

type Rule = { alert: string; expr: string; labels: { severity: string }; annotations: Record<string, string> };
type Panel = { title: string; type: string; description?: string; targets?: { expr: string }[] };
type ScrapeConfig = { scrape_configs: { job_name: string }[]; rule_files: string[] };

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const { groups } = readPlainYaml(read('deploy/prometheus/rules.yml')) as { groups: { rules: Rule[] }[] };
const RULES = groups.flatMap(({ rules }) => rules);
const { panels: PANELS } = JSON.parse(read('deploy/grafana/darkroom.json')) as { panels: Panel[] };
/** Each expression under the name of its alert or panel. */
const EXPRESSIONS = [
  ...RULES.map(({ alert, expr }) => ({ name: alert, expr })),
  ...PANELS.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ name: title, expr }))),
].map(({ name, expr }) => ({ name, expr: expr.replaceAll('$__rate_interval', '5m') }));

let told: Told;
let metrics: Metrics;
beforeAll(async () => {
  await using system = await startSystem({
    redisUrl: testRedisUrl(),
    channels: { channels: [TOLD_CHANNEL] },
    emulator: { settings: { longest_side: 128, batches: { turnaround_ms: 100, spread: 0 } } },
    workerEnv: { BATCH_GATHER: '1.5', BATCH_POLL: '0.2' },
  });
  told = await everythingToldBy(system);
  metrics = new Map([...told.api, ...told.worker]);
});

it('every expression asks for metrics and labels that there are, each in the way of its kind', () => {
  const faults = EXPRESSIONS.flatMap(({ name, expr }) => promqlFaults(expr, metrics).map((it) => `${name}: ${it}`));

  expect(EXPRESSIONS.length).toBeGreaterThan(50);
  expect(faults).toEqual([]);
});

describe('the check finds', () => {
  it.each([
    ['a metric that nobody tells of', 'max(darkroom_job)', 'there is no darkroom_job'],
    ['what all processes say added up', 'sum by (status) (darkroom_jobs)', 'take the max'],
    ['what all processes say shown for each', 'darkroom_queue_age_seconds > 5', 'take the max'],
    ['a label that is not there', 'max by (state) (darkroom_jobs)', 'darkroom_jobs has no label state'],
    ['a matcher by such a label', 'max(darkroom_jobs{state="queued"})', 'darkroom_jobs has no label state'],
    ['a value that is never told', 'max(darkroom_jobs{status=~"queued|done"})', 'status is never done'],
    ['a counter without a rate', 'sum(darkroom_attempts_total)', 'counters are seen by rates'],
    ['the rate of a gauge', 'max(rate(darkroom_jobs[5m]))', 'rates are of counters'],
    ['a rate without a range', 'sum(rate(darkroom_attempts_total))', 'a range and a rate go together'],
    ['a quantile over no le', 'histogram_quantile(0.9, sum(rate(darkroom_provider_seconds_bucket[5m])))', 'by le'],
    [
      'a match on no label',
      'max(up) and on (model) max by (status) (darkroom_jobs)',
      'nothing here has the label model',
    ],
  ])('%s', (_, expr, fault) => {
    expect(promqlFaults(expr, metrics)).toContainEqual(expect.stringContaining(fault));
  });

  it('a bracket that is not closed', () => {
    expect(() => readPromql('max(up')).toThrow('not closed');
  });
});

describe('the alerts', () => {
  it('have names of their own, a severity, and say what happened and what to do', () => {
    expect(new Set(RULES.map(({ alert }) => alert)).size).toBe(RULES.length);
    for (const { alert, labels, annotations } of RULES) {
      expect(alert).toMatch(/^Darkroom[A-Z]/);
      expect(labels.severity).toMatch(/^(warning|critical)$/);
      expect(Object.keys(annotations)).toEqual(['summary', 'action']);
    }
  });

  it('tell of no label that their expression has taken away', () => {
    const lost = RULES.flatMap(({ alert, expr, annotations }) => {
      const used = JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g);
      const left = labelsLeft(expr, metrics);
      return [...used].flatMap(([, label = '']) => (left.includes(label) ? [] : [`${alert}: ${label}`]));
    });

    expect(lost).toEqual([]);
  });

  it('watch jobs by the names that the example scrapes them under', () => {
    const config = readPlainYaml(read('deploy/prometheus/prometheus.yml')) as ScrapeConfig;
    const jobs = config.scrape_configs.map((one) => one.job_name);

    expect(config.rule_files).toEqual(['rules.yml']);
    const selectors = EXPRESSIONS.flatMap(({ expr }) => readPromql(expr).selectors);
    const named = selectors.flatMap(({ matchers }) => matchers.filter(({ label }) => label === 'job'));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((matcher) => !jobs.some((job) => fits(matcher, job)))).toEqual([]);
  });

  it('are each held against figures by rules.test.yml', () => {
    const tests = read('deploy/prometheus/rules.test.yml');

    expect(() => readPlainYaml(tests)).not.toThrow();
    expect(RULES.map(({ alert }) => alert).filter((alert) => !tests.includes(`${alert}"`))).toEqual([]);
  });
});

describe('the dashboard', () => {
  it('says of each panel what it shows', () => {
    const mute = PANELS.filter(({ type, description }) => type !== 'row' && !description?.endsWith('.'));

    expect(mute.map(({ title }) => title)).toEqual([]);
  });

  it('shows every figure there is of jobs, money and batches', () => {
    const selectors = PANELS.flatMap(({ targets = [] }) => targets).flatMap(({ expr }) => readPromql(expr).selectors);
    const shown = new Set(selectors.map(({ metric }) => metricOf(metric, metrics)?.name));
    const own = [...metrics.keys()].filter((name) => name.startsWith('darkroom_'));

    expect(own.length).toBeGreaterThan(12);
    // A date, and no course of things: there is an alert for it.
    expect(own.filter((name) => !shown.has(name))).toEqual(['darkroom_model_retires_timestamp_seconds']);
  });
});

it('docs/metrics.md lists every metric as the programs tell of it', () => {
  const table = read('docs/metrics.md').split('<!-- metrics -->')[1]?.trim();

  expect(table).toBe(metricsTable(told));
});
