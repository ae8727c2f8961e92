/** What the environment says, before anything is opened. */

import { type Check, type Found, ok, problem, warning } from './finding.ts';

const NODE_LEAST = [24, 15] as const;
const LOOPBACK: readonly string[] = ['127.0.0.1', '::1', 'localhost'];

export type Setup = {
  nodeVersion: string;
  /** As the programs read it, without values of secrets; an empty variable counts as unset. */
  settings: { host: string; publicUrl?: string; webhookHttp: boolean; downloadHttp: boolean; redisGiven: boolean };
  secretGiven: boolean;
  /** Mistakes in the environment, one line each. */
  mistakes: readonly string[];
};

export function setupCheck(setup: Setup): Check {
  return {
    group: 'Setup',
    name: 'environment',
    run: async () => [
      node(setup.nodeVersion),
      ...(setup.mistakes.length > 0
        ? setup.mistakes.map((mistake) => problem(mistake, 'correct it; the README lists what may be set'))
        : [ok('valid')]),
      secret(setup),
      ...openDoors(setup),
    ],
  };
}

function node(version: string): Found {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const old = major < NODE_LEAST[0] || (major === NODE_LEAST[0] && minor < NODE_LEAST[1]);
  return old ? problem(version, `use Node ${NODE_LEAST.join('.')} or newer`, 'Node') : ok(version, 'Node');
}

function secret({ secretGiven, settings }: Setup): Found {
  const name = 'DARKROOM_SECRET';
  if (secretGiven) return ok('set', name);
  if (!settings.redisGiven) return ok('not set: npm start makes one, and keeps it', name);
  const fix = 'set the same 32 or more characters for all programs: openssl rand -hex 32';
  return warning('not set: only npm start makes one, for this machine alone', fix, name);
}

function openDoors({ settings }: Setup): Found[] {
  const { host, publicUrl, webhookHttp, downloadHttp } = settings;
  if (LOOPBACK.includes(host) && !publicUrl) return [];
  const fix = 'unset it';
  const what = 'true on an API that others reach: callers can lead it to';
  return [
    ...(webhookHttp ? [problem(`${what} this machine itself`, fix, 'WEBHOOK_HTTP')] : []),
    ...(downloadHttp ? [warning(`${what} http:// addresses`, fix, 'DOWNLOAD_HTTP')] : []),
  ];
}
