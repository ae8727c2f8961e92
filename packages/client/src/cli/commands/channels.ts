import type { Command } from 'commander';
import type { ChannelOrder } from '../../channels.ts';
import type { Open } from '../context.ts';
import { channelTable, limitTable, modelTable } from '../tables.ts';
import { describeBounds, describeResumed } from '../words.ts';

const ORDERS: Record<ChannelOrder, string> = {
  open: 'hold it back: no call goes until close or resume',
  drain: 'let its calls end, and make no new ones until close or resume',
  close: 'it is mended: forget its past, and go on by itself',
  resume: 'take back what was said of it, and forget nothing',
};

export function addChannels(program: Command, open: Open): void {
  const channels = program
    .command('channels')
    .description('the ways to reach models, and how each of them is')
    .action(async () => {
      const { client, signal, say, print } = open();
      const { data } = await client.channels.list({ signal });
      for (const line of channelTable(data)) say(line);
      for (const channel of data) print(channel);
    });
  for (const [order, what] of Object.entries(ORDERS)) {
    channels
      .command(order)
      .argument('<channel>')
      .description(`${what} (scope admin)`)
      .action(async (id: string) => {
        const { client, signal, say, print } = open();
        const channel = await client.channels.order(id, order as ChannelOrder, { signal });
        for (const line of channelTable([channel])) say(line);
        print(channel);
      });
  }
  addLimits(program, open);
  program
    .command('models')
    .description('what each model can do and costs, and whether it can be had now')
    .action(async () => {
      const { client, signal, say, print } = open();
      const { data } = await client.listModels({ signal });
      for (const line of modelTable(data)) say(line);
      for (const model of data) print(model);
    });
}

function addLimits(program: Command, open: Open): void {
  const limits = program
    .command('limits')
    .description('how much of the limits is used, who is kept waiting, and what bounds you')
    .action(async () => {
      const { client, signal, say, print } = open();
      const { data, own } = await client.listLimits({ signal });
      const bounds = describeBounds(own);
      for (const line of [...limitTable(data), ...bounds]) say(line);
      for (const limit of data) print(limit);
      if (bounds.length) print({ own });
    });
  limits
    .command('resume')
    .argument('<model>')
    .description('the provider allows more now: end the waiting for it, and forget what was learnt (scope admin)')
    .action(async (model: string) => {
      const { client, signal, say, print } = open();
      const resumed = await client.resumeModel(model, { signal });
      say(describeResumed(resumed));
      print(resumed);
    });
}
