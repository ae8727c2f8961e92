/** Ports on this machine. */

import { createServer } from 'node:net';

/** @returns {Promise<number>} a port that was free a moment ago; the caller tries again when somebody was quicker */
export async function freePort(host = '127.0.0.1') {
  const server = await listen(0, host);
  const { port } = server.address();
  await close(server);
  return port;
}

/** @returns {Promise<string | undefined>} the error code that keeps us from listening there, or undefined */
export async function portProblem(port, host) {
  try {
    await close(await listen(port, host));
    return undefined;
  } catch (error) {
    return error.code;
  }
}

export function listen(port, host) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

function close(server) {
  return new Promise((resolve) => server.close(resolve));
}
