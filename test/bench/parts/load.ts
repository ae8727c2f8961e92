/** HTTP load by autocannon, in a process of its own. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const AUTOCANNON = fileURLToPath(import.meta.resolve('autocannon'));

/** Stands for a text that no other request has, in bodies and headers. Never the end of one: autocannon would take the bracket for its own. */
export const DISTINCT = '[<id>]-';

export type Load = {
  url: string;
  connections: number;
  /** Either for so long, or so many requests. */
  seconds?: number;
  amount?: number;
  headers: Record<string, string>;
  body: string;
};

export type Loaded = { accepted: number; perSecond: number; p50Ms: number; p99Ms: number };

type Report = {
  duration: number;
  '2xx': number;
  non2xx: number;
  errors: number;
  latency: { p50: number; p99: number };
};

/** @throws Error when anything but 2xx came back */
export async function load({ url, connections, seconds, amount, headers, body }: Load): Promise<Loaded> {
  const args = [AUTOCANNON, '--json', '-n', '-I', '-m', 'POST', '-c', String(connections), '-b', body];
  args.push(...(amount === undefined ? ['-d', String(seconds ?? 3)] : ['-a', String(amount)]));
  for (const [name, value] of Object.entries(headers)) args.push('-H', `${name}: ${value}`);
  const { stdout, stderr } = await run(process.execPath, [...args, url], { maxBuffer: 1 << 26 });
  if (!stdout) throw new Error(`autocannon said: ${stderr}`);
  const report = JSON.parse(stdout) as Report;
  if (report.non2xx || report.errors) {
    throw new Error(`${url}: ${report.non2xx} answers were not 2xx, ${report.errors} requests failed`);
  }
  const accepted = report['2xx'];
  return {
    accepted,
    perSecond: accepted / report.duration,
    p50Ms: report.latency.p50,
    p99Ms: report.latency.p99,
  };
}
