import { randomUUID } from 'node:crypto';
import { confirm, isCancel } from '@clack/prompts';
import type { ActionPreview, ActionView, ReplayInput } from '@darkroom/shared/schemas';
import type { Command } from 'commander';
import { insist } from '../../insist.ts';
import type { Context, Open } from '../context.ts';
import { parsePast } from '../deadline.ts';
import { EXIT, Exit } from '../exit.ts';
import { list } from '../lists.ts';

type ReplayOptions = {
  since: string;
  until?: string;
  type?: string[];
  all?: boolean;
  preview?: boolean;
  yes?: boolean;
};

export function addReplay(webhooks: Command, open: Open): void {
  webhooks
    .command('replay')
    .argument('<endpoint>')
    .description('send it past events that are missing, in the background')
    .requiredOption('--since <time>', '1h (ago), or RFC 3339')
    .option('--until <time>', 'the same; now by default')
    .option('--type <type>', 'such as job.failed or job.*; may be repeated; what it is sent by default', list)
    .option('--all', 'also those that arrived')
    .option('--preview', 'count the events, and no more')
    .option('--yes', 'do not ask')
    .action(async (id: string, options: ReplayOptions) => replay(open(), id, options));
}

async function replay(context: Context, id: string, options: ReplayOptions): Promise<void> {
  const { client, signal, say, print } = context;
  const body = toReplay(options, new Date());
  const preview = await client.replayEvents(id, { ...body, preview: true }, { signal });
  const events = describeCount(preview);
  say(events);
  if (options.preview) {
    print(preview);
    return;
  }
  if (!options.yes) await agree(context, events);
  const idempotencyKey = randomUUID();
  const action = await insist(() => client.replayEvents(id, body, { idempotencyKey, signal }), { signal });
  if ('id' in action) say(`${action.id}  ${action.status}`);
  print(action);
}

function toReplay({ since, until, type, all }: ReplayOptions, now: Date): ReplayInput {
  return {
    since: parsePast('--since', since, now),
    ...(until && { until: parsePast('--until', until, now) }),
    ...(type && { types: type }),
    ...(all && { only_missing: false }),
  };
}

/** `3 events`, or `at least 20000 events`. */
function describeCount(preview: ActionPreview | ActionView): string {
  const { count, at_least: atLeast } = 'expected' in preview ? preview.expected : preview;
  return `${atLeast ? 'at least ' : ''}${count} ${count === 1 ? 'event' : 'events'}`;
}

/** @throws Exit unless whoever is there says yes */
async function agree({ asks, signal }: Context, events: string): Promise<void> {
  if (!asks) throw new Exit(EXIT.declined, `It would send ${events}. Pass --yes to agree.`);
  const agreed = await confirm({ message: `Send ${events}?`, initialValue: false, signal });
  signal.throwIfAborted();
  if (isCancel(agreed) || !agreed) throw new Exit(EXIT.declined, 'Nothing was sent.');
}
