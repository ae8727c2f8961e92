/**
 * `npm run bench`: every figure beside a bare baseline measured in the same run.
 *
 *   -- --json          one JSON line per figure
 *   -- --only PREFIX   one group, such as `admission`
 *   -- --quick         fewer and shorter samples
 */

import { parseArgs } from 'node:util';
import { admission } from './admission.ts';
import { attempt } from './attempt.ts';
import { batchChunk } from './batch-chunk.ts';
import { batchCollect } from './batch-collect.ts';
import { batchIngest } from './batch-ingest.ts';
import { batchNight } from './batch-night.ts';
import { channels } from './channels.ts';
import { type Figure, heading, toLine } from './figure.ts';
import { memory } from './memory.ts';
import { noise } from './parts/sample.ts';
import { webhook } from './webhook.ts';

export type BenchOptions = { quick: boolean; wants: (name: string) => boolean };
type Group = (options: BenchOptions) => AsyncGenerator<Figure>;

const GROUPS: Record<string, Group> = { admission, memory, attempt, batch, webhook, channels };

async function* batch(options: BenchOptions): AsyncGenerator<Figure> {
  yield* batchIngest(options);
  yield* batchCollect(options);
  yield* batchChunk(options);
  yield* batchNight(options);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, only: { type: 'string' } },
  });
  const { only = '' } = values;
  const wants = (name: string) => name.startsWith(only);
  const chosen = Object.entries(GROUPS).filter(([name]) => wants(name) || only.startsWith(name));
  if (!chosen.length) throw new Error(`--only ${only}: groups are ${Object.keys(GROUPS).join(', ')}`);
  if (!values.json) console.log(heading());
  for (const [, group] of chosen) {
    for await (const found of group({ quick: values.quick ?? false, wants })) {
      console.log(values.json ? JSON.stringify(found) : toLine(found));
    }
  }
  const { samples, noisy } = noise();
  console.error(`${samples} samples, ${noisy} of them begun while other processes were busy`);
}

await main();
