// npm install standardwebhooks; WEBHOOK_SECRET=whsec_… node webhook-receiver.mjs
import { createServer } from 'node:http';
import { env } from 'node:process';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';

const webhook = new Webhook(env.WEBHOOK_SECRET);

async function receive(req, res) {
  try {
    const event = webhook.verify(await text(req), req.headers); // Of the raw body, before anybody parses it.
    console.log(req.headers['webhook-id'], event.type, event.data.id); // An id may come twice: skip what you have had.
    res.writeHead(204).end();
  } catch {
    res.writeHead(400).end();
  }
}

createServer((req, res) => void receive(req, res)).listen(env.PORT ?? 3000);
