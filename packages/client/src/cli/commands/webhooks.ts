import type { DeliveryView } from '@darkroom/shared/schemas';
import type { Command } from 'commander';
import type { Open } from '../context.ts';
import { EXIT, Exit } from '../exit.ts';
import { list } from '../lists.ts';
import { describeDelivery, describeEndpoint } from '../words.ts';
import { addReplay } from './replay.ts';
import { addWebhookChanges } from './webhook-changes.ts';

type CreateOptions = { event?: string[]; description?: string };

export function addWebhooks(program: Command, open: Open): void {
  const webhooks = program.command('webhooks').description('who is told of events, and what came of it');
  webhooks
    .command('list')
    .description('all endpoints')
    .action(async () => {
      const { client, signal, say, print } = open();
      for (const endpoint of (await client.listEndpoints({ signal })).data) {
        say(describeEndpoint(endpoint));
        print(endpoint);
      }
    });
  webhooks
    .command('create')
    .argument('<url>')
    .description('have events posted to an address')
    .option('--event <type>', 'a type, or a group such as job.*; may be repeated; all by default', list)
    .option('--description <text>')
    .action(async (url: string, { event, description }: CreateOptions) => {
      const { client, signal, say, print } = open();
      const body = { url, ...(event && { events: event }), ...(description && { description }) };
      const endpoint = await client.createEndpoint(body, { signal });
      say(describeEndpoint(endpoint));
      say(`  ${endpoint.secret}  (shown this once)`);
      print(endpoint);
    });
  webhooks
    .command('test')
    .argument('<endpoint>')
    .description('send it a webhook_endpoint.test')
    .action(async (id: string) => {
      const { client, signal, say, print } = open();
      const sent = await client.testEndpoint(id, { signal });
      say(`${sent.delivery}  on its way`);
      print(sent);
    });
  webhooks
    .command('deliveries')
    .argument('<id>', 'an endpoint or an event')
    .description('what was sent, and what came of it')
    .option('--status <status>', 'pending, delivered or dead')
    .action(async (id: string, { status }: { status?: DeliveryView['status'] }) => {
      if (!/^(whe|evt)_/.test(id)) {
        throw new Exit(
          EXIT.invalid,
          `${id} is neither an endpoint (whe_…, see \`darkroom webhooks list\`) nor an event (evt_…, see \`darkroom events\`).`,
        );
      }
      const { client, signal, say, print } = open();
      const found = id.startsWith('evt_')
        ? (await client.deliveriesOfEvent(id, { signal })).data.filter((one) => !status || one.status === status)
        : client.deliveries(id, { signal, ...(status && { status }) });
      for await (const delivery of found) {
        say(describeDelivery(delivery));
        print(delivery);
      }
    });
  webhooks
    .command('resend')
    .argument('<delivery>')
    .description('send it again')
    .action(async (id: string) => {
      const { client, signal, say, print } = open();
      const delivery = await client.resendDelivery(id, { signal });
      say(describeDelivery(delivery));
      print(delivery);
    });
  addReplay(webhooks, open);
  addWebhookChanges(webhooks, open);
}
