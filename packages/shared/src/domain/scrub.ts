/** A provider's words, made fit for a record and a log. */

const MAX_CHARS = 500;

/** What is taken out, in this order; a query string goes before the key that it may hold. */
const SECRETS: readonly [RegExp, string][] = [
  [/(https?:\/\/[^\s"'<>?#]{1,2000})[?#][^\s"'<>]*/gi, '$1?[removed]'],
  [/\bBearer\s+[\w.~+/=-]+/gi, 'Bearer [removed]'],
  [/\bAIza[\w-]{10,}/g, '[key]'],
  [/\b(?:ya29|AQ)\.[\w.-]{10,}/g, '[key]'],
  [/\b(?:sk|dk|pk|rk|ghp|xox[abp])[-_][\w-]{12,}/g, '[key]'],
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, '[token]'],
  [
    /((?:api[_-]?key|x-goog-api-key|access[_-]?token|authorization|password|secret)["']?\s*[:=]\s*["']?)[^\s"',;&}]+/gi,
    '$1[removed]',
  ],
  [/[A-Za-z\d+/_-]{120,}={0,2}/g, '[data]'],
];

/**
 * Takes keys, tokens, query strings, long base64 and markup out of `text` and cuts it to 500 characters.
 *
 * @returns `undefined` when nothing readable is left
 */
export function scrub(text: string): string | undefined {
  // Read a little more than is kept, so that no secret hides by being cut in two.
  let clean = text.slice(0, MAX_CHARS * 20);
  if (/<(?:!doctype|html|head|body)\b/i.test(clean)) clean = withoutMarkup(clean);
  for (const [pattern, replacement] of SECRETS) clean = clean.replace(pattern, replacement);
  clean = clean.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  if (clean.length > MAX_CHARS) clean = `${clean.slice(0, MAX_CHARS - 1)}…`;
  return clean === '' ? undefined : clean;
}

function withoutMarkup(html: string): string {
  return html.replace(/<(script|style)\b[^>]*>[\s\S]*?(?:<\/\1>|$)/gi, ' ').replace(/<[^>]*>/g, ' ');
}
