/** `copy-lua.mjs SRC DIST` copies every Lua script below SRC to the same place below DIST: the compiler leaves them behind. */

import { copyFileSync, globSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [source, target] = process.argv.slice(2);
if (!source || !target) {
  console.error('usage: copy-lua.mjs SRC DIST');
  process.exit(2);
}
for (const script of globSync('**/*.lua', { cwd: source })) {
  mkdirSync(dirname(join(target, script)), { recursive: true });
  copyFileSync(join(source, script), join(target, script));
}
