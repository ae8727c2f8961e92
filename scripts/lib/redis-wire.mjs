/** As much of the Redis protocol as a launcher needs: ask a few commands over one connection, without a dependency. */

import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

/**
 * Sends `commands` one after the other and collects the replies.
 *
 * @param {string} url `redis://` or `rediss://`, with its user and password
 * @param {string[][]} commands
 * @returns {Promise<unknown[]>} one reply a command: string, number, null, array, or an Error that the server answered
 * @throws when the server cannot be reached, refuses the password or does not answer in time
 */
export async function askRedis(url, commands, timeoutMs = 2_000) {
  const { protocol, hostname, port, username, password } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const where = { host, port: Number(port || 6379) };
  const socket = protocol === 'rediss:' ? connectTls({ ...where, servername: host }) : connectTcp(where);
  const user = username ? [decodeURIComponent(username)] : [];
  const login = password ? [['AUTH', ...user, decodeURIComponent(password)]] : [];
  try {
    const replies = await exchange(socket, [...login, ...commands], timeoutMs);
    const refused = login.length > 0 ? replies.shift() : undefined;
    if (refused instanceof Error) throw refused;
    return replies;
  } finally {
    socket.destroy();
  }
}

function exchange(socket, commands, timeoutMs) {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    socket.setTimeout(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server closed the connection')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const replies = parseReplies(received, commands.length);
      if (replies) resolve(replies);
    });
    socket.write(commands.map(encode).join(''));
  });
}

function encode(command) {
  return `*${command.length}\r\n${command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`;
}

/** @returns {unknown[] | undefined} `count` replies, or undefined while they are not all there */
export function parseReplies(buffer, count) {
  const replies = [];
  let at = 0;
  while (replies.length < count) {
    const reply = parseReply(buffer, at);
    if (!reply) return undefined;
    replies.push(reply.value);
    at = reply.next;
  }
  return replies;
}

function parseReply(buffer, at) {
  const end = buffer.indexOf('\r\n', at);
  if (end < 0) return undefined;
  const text = buffer.toString('utf8', at + 1, end);
  const next = end + 2;
  switch (String.fromCharCode(buffer[at])) {
    case '-':
      return { value: new Error(text), next };
    case ':':
      return { value: Number(text), next };
    case '$':
      return parseBulk(buffer, Number(text), next);
    case '*':
      return parseArray(buffer, Number(text), next);
    default:
      return { value: text, next };
  }
}

function parseBulk(buffer, length, at) {
  if (length < 0) return { value: null, next: at };
  if (buffer.length < at + length + 2) return undefined;
  return { value: buffer.toString('utf8', at, at + length), next: at + length + 2 };
}

function parseArray(buffer, length, at) {
  const value = [];
  let next = at;
  for (let i = 0; i < length; i++) {
    const item = parseReply(buffer, next);
    if (!item) return undefined;
    value.push(item.value);
    next = item.next;
  }
  return { value: length < 0 ? null : value, next };
}
