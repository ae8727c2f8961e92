/** Bodies of one kilobyte, as a caller would write them. */

const BYTES = 1_000;

const WORDS = (
  'a red mug on an old oak table beside the window morning light falls through thin curtains and draws long soft ' +
  'shadows over the wood a folded newspaper lies next to it with a pair of round glasses the steam rises slowly ' +
  'in the background a shelf with worn books a small green plant in a clay pot photographed with a shallow depth ' +
  'of field warm colours fine grain quiet mood no people no text'
).split(' ');

/** A job body of 1,000 bytes, and whatever distinguishes it at the front of its prompt. @param more further fields */
export function jobBody(distinct: string, more: object = {}): string {
  const body = (prompt: string) => JSON.stringify({ prompt, tags: ['bench'], metadata: { order: '4711' }, ...more });
  let prompt = distinct;
  for (let n = 0; body(prompt).length < BYTES; n++) prompt += ` ${WORDS[n % WORDS.length]}`;
  return body(prompt.slice(0, prompt.length - (body(prompt).length - BYTES)));
}
