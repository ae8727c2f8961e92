import type { OwnSecretView } from '@darkroom/shared/schemas';
import type { Command } from 'commander';
import type { Context, Open } from '../context.ts';
import { describeEndpoint } from '../words.ts';

/** What is done to an endpoint that is there, and the secret of what jobs name themselves. */
export function addWebhookChanges(webhooks: Command, open: Open): void {
  for (const [name, enabled, what] of [
    ['enable', true, 'send it events (again), and what still waits'],
    ['disable', false, 'send it nothing any more'],
  ] as const) {
    webhooks
      .command(name)
      .argument('<endpoint>')
      .description(what)
      .action(async (id: string) => {
        const { client, signal, say, print } = open();
        const endpoint = await client.updateEndpoint(id, { enabled }, { signal });
        say(describeEndpoint(endpoint));
        print(endpoint);
      });
  }
  webhooks
    .command('delete')
    .argument('<endpoint>')
    .description('forget it; what waits for it is not sent')
    .action(async (id: string) => {
      const { client, signal, say, print } = open();
      await client.deleteEndpoint(id, { signal });
      say(`${id}  deleted`);
      print({ id, deleted: true });
    });
  webhooks
    .command('rotate')
    .argument('<endpoint>')
    .description('give it a new secret')
    .option('--overlap <span>', 'how long those before sign along; 0s for not at all', '24h')
    .action(async (id: string, { overlap }: { overlap: string }) => {
      const context = open();
      const endpoint = await context.client.rotateEndpointSecret(id, { overlap }, { signal: context.signal });
      context.say(describeEndpoint(endpoint));
      saySecret(context, endpoint, '  (shown this once)');
      context.print(endpoint);
    });
  webhooks
    .command('secret')
    .description('what signs that which is sent to the webhook of a job or batch')
    .option('--rotate', 'make another')
    .option('--overlap <span>', 'with --rotate: how long those before sign along; 0s for not at all', '24h')
    .action(async ({ rotate, overlap }: { rotate?: boolean; overlap: string }) => {
      const context = open();
      const { client, signal } = context;
      const own = await (rotate
        ? client.rotateWebhookSecret({ overlap }, { signal })
        : client.getWebhookSecret({ signal }));
      saySecret(context, own);
      context.print(own);
    });
}

function saySecret({ say }: Context, { secret, old_secrets_until: old = [] }: OwnSecretView, note = ''): void {
  say(`  ${secret}${note}`);
  for (const until of old) say(`  one before signs along until ${until}`);
}
