/** The README's configuration table, made from the schemas that the programs read their environment with. */

import { describeEnv } from '@darkroom/shared/config';
import { ApiEnv } from '../../apps/api/src/config.ts';
import { WorkerEnv } from '../../apps/worker/src/config.ts';

export function envTable(): string {
  const api = describeEnv(ApiEnv);
  const worker = describeEnv(WorkerEnv);
  const both = new Set(api.map(({ name }) => name).filter((name) => worker.some((row) => row.name === name)));
  const rows = [...api, ...worker.filter(({ name }) => !both.has(name))].map(
    ({ name, default: value, description }) => {
      const reader = both.has(name) ? 'both' : api.some((row) => row.name === name) ? 'API' : 'worker';
      return `| \`${name}\` | ${value ? (value === 'required' ? value : `\`${value}\``) : ''} | ${reader} | ${description} |`;
    },
  );
  return ['| variable | default | read by | meaning |', '|---|---|---|---|', ...rows].join('\n');
}
