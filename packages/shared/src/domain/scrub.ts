/** A provider's or receiver's words, made fit for a record and a log. */

const MAX_CHARS = 500;
/** What is shorter is in any text by chance, and keeps no secret. */
const KNOWN_CHARS_MIN = 4;

/** What is taken out, in this order; a query string goes before the key that it may hold. */
const SECRETS: readonly [RegExp, string][] = [
  [/(https?:\/\/[^\s"'<>?#]{1,2000})[?#][^\s"'<>]*/gi, '$1?[removed]'],
  [/\bBearer\s+[\w.~+/=-]+/gi, 'Bearer [removed]'],
  [/\bAIza[\w-]{10,}/g, '[key]'],
  [/\b(?:ya29|AQ)\.[\w.-]{10,}/g, '[key]'],
  [/\b(?:sk|dk|pk|rk|ghp|xox[abp])[-_][\w-]{12,}/g, '[key]'],
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, '[token]'],
  [
    /(authorization["']?\s*[:=]\s*["']?)(?:(?:Digest|Hawk|OAuth|Signature|AWS4[\w-]*)\s[^\r\n}]*|(?:(?:Basic|Bearer|Token|(?:Api)?Key|SharedKey|HMAC[\w-]*|Negotiate|NTLM)\s+)?[^\s"',;&}]+)/gi,
    '$1[removed]',
  ],
  [
    /((?:api[_-]?key|x-goog-api-key|access[_-]?token|password|secret)["']?\s*[:=]\s*["']?)[^\s"',;&}]+/gi,
    '$1[removed]',
  ],
  [/[A-Za-z\d+/_-]{120,}={0,2}/g, '[data]'],
];

/**
 * Takes keys, tokens, query strings, long base64 and markup out of `text` and cuts it to 500 characters.
 *
 * @param known secrets of our own that the other side has been told, and may repeat
 * @returns `undefined` when nothing readable is left
 */
export function scrub(text: string, known: readonly string[] = []): string | undefined {
  // Read a little more than is kept, so that no secret hides by being cut in two.
  let clean = without(text, known).slice(0, MAX_CHARS * 20);
  if (/<(?:!doctype|html|head|body)\b/i.test(clean)) clean = withoutMarkup(clean);
  for (const [pattern, replacement] of SECRETS) clean = clean.replace(pattern, replacement);
  clean = clean.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  if (clean.length > MAX_CHARS) clean = `${clean.slice(0, MAX_CHARS - 1)}…`;
  return clean === '' ? undefined : clean;
}

function without(text: string, secrets: readonly string[]): string {
  const forms = secrets.flatMap(formsOf).filter(({ length }) => length >= KNOWN_CHARS_MIN);
  // The longest first: one may hold another.
  forms.sort((a, b) => b.length - a.length);
  return forms.reduce((clean, form) => clean.replaceAll(form, '[removed]'), text);
}

/** A secret and what follows its scheme (`Basic …`, `v1,…`), each as it is and as JSON and URLs have it. */
function formsOf(secret: string): string[] {
  const whole = secret.trim();
  return [whole, whole.replace(/^[\w-]+[ ,]\s*/, '')].flatMap((one) => {
    const quoted = JSON.stringify(one).slice(1, -1);
    // Some write JSON with each slash escaped.
    return [...new Set([one, quoted, quoted.replaceAll('/', '\\/'), encodeURIComponent(one.toWellFormed())])];
  });
}

function withoutMarkup(html: string): string {
  return html.replace(/<(script|style)\b[^>]*>[\s\S]*?(?:<\/\1>|$)/gi, ' ').replace(/<[^>]*>/g, ' ');
}
