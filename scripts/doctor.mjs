/** `npm run doctor [-- --json]`: what is wrong with this installation, and how to mend it. */

import { existsSync } from 'node:fs';
import { ApiEnv } from '../apps/api/src/config.ts';
import { runDoctor } from '../apps/api/src/doctor/run.ts';
import { WorkerEnv } from '../apps/worker/src/config.ts';

if (existsSync('.env')) process.loadEnvFile('.env');
const code = await runDoctor({
  env: process.env,
  cwd: process.cwd(),
  args: process.argv.slice(2),
  schemas: [ApiEnv, WorkerEnv],
  write: (text) => process.stdout.write(text),
});
// A store or provider that hangs is not waited for any longer; what was printed is.
process.stdout.write('', () => process.exit(code));
