import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { readChannels } from './channels.ts';
import { ConfigError } from './env.ts';

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../../../darkroom.config.example.yaml'), 'utf8');
const LINES = EXAMPLE.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
const VALUES = [
  '',
  '7',
  '-1',
  'yes',
  '[]',
  '{}',
  'null',
  '[1, 2]',
  '"a"',
  '*a',
  '&a b',
  '!x y',
  '{ a: { b: 1 } }',
  '1e999',
];

/** The lines that a text is refused at; none when it is good. @throws whatever else is thrown */
function refusedAt(text: string): number[] {
  try {
    readChannels({ text, env: {}, cwd: '/', credentials: 'leave' });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Without a line it is NaN, which no line of a file is.
    const lines = error.message.split('\n').slice(1);
    return (lines.length ? lines : ['']).map((line) => Number(/^ {2}channels:(\d+): ./.exec(line)?.[1]));
  }
}

it('whatever a file holds, it is good or refused at lines that it has', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.json()), (text) => {
      const last = text.split(/\r\n|\r|\n/).length;
      for (const line of refusedAt(text)) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(last);
      }
    }),
  );
});

it('one bad value in a good file is refused at its own line, or what it belongs to', () => {
  const place = fc.nat(LINES.length - 1);
  fc.assert(
    fc.property(place, fc.constantFrom(...VALUES), (at, value) => {
      const text = LINES.with(at, (LINES[at] ?? '').replace(/:( .*)?$/, `: ${value}`)).join('\n');

      for (const line of refusedAt(text)) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(LINES.length + 1);
      }
    }),
    { numRuns: 300 },
  );
});
