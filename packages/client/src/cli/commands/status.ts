import type { Command } from 'commander';
import type { BatchAction } from '../../client.ts';
import type { Open } from '../context.ts';
import { EXIT } from '../exit.ts';
import { follow } from '../follow.ts';
import { untilJobOver } from '../until-job-over.ts';
import { describeBatch, describeJob } from '../words.ts';

export function addStatus(program: Command, open: Open, end: (code: number) => void): void {
  program
    .command('status')
    .argument('<id>', 'a batch or a job')
    .description('how far it is')
    .option('--watch', 'until it is over')
    .action(async (id: string, { watch }: { watch?: boolean }) => {
      const context = open();
      const { client, signal, say, print } = context;
      if (!id.startsWith('bat_')) {
        const job = await client.getJob(id, { signal });
        const shown = watch ? await untilJobOver(context, job) : job;
        say(describeJob(shown));
        print(shown);
        return end(!watch || shown.status === 'succeeded' ? EXIT.ok : EXIT.partial);
      }
      if (watch) return end(await follow(context, id));
      const batch = await client.getBatch(id, { signal });
      say(describeBatch(batch));
      print(batch);
    });
  program
    .command('cancel')
    .argument('<id>', 'a batch or a job')
    .description('stop it; what is paid for is kept')
    .action(async (id: string) => {
      const { client, signal, say, print } = open();
      const view = id.startsWith('bat_')
        ? await client.controlBatch(id, 'cancel', { signal })
        : await client.cancelJob(id, { signal });
      say(`${view.id}  ${view.status}`);
      print(view);
    });
  for (const [action, what] of Object.entries(CONTROLS)) {
    program
      .command(action)
      .argument('<batch>')
      .description(what)
      .action(async (id: string) => {
        const { client, signal, say, print } = open();
        const view = await client.controlBatch(id, action as BatchAction, { signal });
        say(describeBatch(view));
        print(view);
      });
  }
}

const CONTROLS: Partial<Record<BatchAction, string>> = {
  pause: 'begin no more of its rows',
  resume: 'go on with it',
  'retry-failed': 'make its failed and expired rows again',
};
