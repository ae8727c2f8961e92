import { isIP } from 'node:net';
import { refusedUrl } from './refusal.ts';

/** What a URL may look like, apart from where its host name leads. */
export type UrlRules = {
  /** `http:` as well, for a development machine. Default false. */
  allowHttp?: boolean;
  /** Ports beyond 443 (and 80 with `allowHttp`). */
  allowedPorts?: number[] | 'any';
};

/** A URL that passed the rules; `host` is its DNS name, or its IP address in canonical spelling without brackets. */
export type Target = { url: URL; host: string; isAddress: boolean };

// Signed storage URLs reach about 2,000 characters.
const URL_CHARS_MAX = 4_096;

/**
 * Parses the URL and checks scheme, credentials and port.
 *
 * The URL parser of the platform turns every spelling of an IPv4 address (decimal, octal, hex, short, full-width)
 * into dotted form, so the host that is checked is the host that is dialled.
 *
 * @throws AppError `invalid_request` naming the rule
 */
export function parseTarget(text: string, rules: UrlRules): Target {
  if (text.length > URL_CHARS_MAX)
    throw refusedUrl(`it is longer than ${URL_CHARS_MAX} characters`, 'Shorten the URL.');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) throw refusedUrl('it is not a valid absolute URL', 'Write it as https://host/path.');
  checkScheme(url, rules);
  if (url.username !== '' || url.password !== '') {
    throw refusedUrl('it carries credentials before the host', 'Remove the user name and password.');
  }
  checkPort(url, rules);
  url.hash = '';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { url, host, isAddress: isIP(host) !== 0 };
}

function checkScheme(url: URL, { allowHttp = false }: UrlRules): void {
  if (url.protocol === 'https:' || (allowHttp && url.protocol === 'http:')) return;
  throw refusedUrl(`its scheme must be https${allowHttp ? ' or http' : ''}`, 'Give an https:// URL.');
}

function checkPort(url: URL, { allowedPorts = [] }: UrlRules): void {
  // The parser leaves the scheme's own port out.
  const port = Number(url.port);
  if (url.port === '' || port === 443 || allowedPorts === 'any' || allowedPorts.includes(port)) return;
  throw refusedUrl(`port ${url.port} is not allowed`, 'Use the port of the scheme: leave it out of the URL.');
}
