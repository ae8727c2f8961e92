/** Gives tokens to service accounts, as Google's own token endpoint does. */
import { readBody } from '../http/body.ts';
import { settingsOf } from '../projects.ts';
import { answerJson, type Call, close } from './call.ts';

const FORM_BYTES_MAX = 64 * 1024;

/** Trades a signed JWT for a token; a 400 in OAuth's words when it is not right. */
export async function createToken(call: Call): Promise<void> {
  const { world, response } = call;
  const form = new URLSearchParams((await readBody(call.request, FORM_BYTES_MAX)).toString('utf8'));
  const exchanged = world.accounts.exchange(
    form,
    (project) => settingsOf(world.settings, project).vertex.token_life_ms,
  );
  if (!('error' in exchanged)) return answerJson(call, exchanged);
  response.writeHead(400, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(exchanged));
  close(call, 'rejected', { http_status: 400, answered: true });
}
