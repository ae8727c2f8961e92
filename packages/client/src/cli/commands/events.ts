import type { Command } from 'commander';
import type { Open } from '../context.ts';
import { EXIT, Exit } from '../exit.ts';
import { list } from '../lists.ts';
import { describeEvent } from '../words.ts';

type EventOptions = {
  type?: string[];
  job?: string;
  batch?: string;
  tag?: string;
  since?: string;
  after?: string;
  follow?: boolean;
};

export function addEvents(program: Command, open: Open): void {
  program
    .command('events')
    .description('what happened, oldest first')
    .option('--type <type>', 'such as job.failed or job.*; may be repeated', list)
    .option('--job <job>')
    .option('--batch <batch>')
    .option('--tag <tag>')
    .option('--since <time>', 'RFC 3339')
    .option('--follow', 'tell what happens from now on, or since then, until you stop it')
    .option('--after <event>', 'with --follow: go on after this event')
    .action(async ({ follow, after, ...filter }: EventOptions) => {
      const { client, signal, say, print } = open();
      const events = follow
        ? client.streamEvents(filter, { signal, ...(after && { lastEventId: after }) })
        : client.events({ order: 'asc', ...filter }, { signal });
      let last = after;
      try {
        for await (const event of events) {
          say(describeEvent(event));
          print(event);
          last = event.id;
        }
      } catch (error) {
        if (!follow || !signal.aborted) throw error;
        throw new Exit(
          EXIT.interrupted,
          last ? `Go on with \`darkroom events --follow --after ${last}\`.` : 'Stopped.',
        );
      }
    });
}
