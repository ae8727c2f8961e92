import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { readChannels } from './channels.ts';
import { parseText } from './channels-text.ts';
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

it('a file of JSON is read, or refused at lines that it has', () => {
  const good = JSON.stringify({ channels: [{ id: 'a', models: { pro: {} } }], hedge: { enabled: true } }, undefined, 2);
  const place = fc.nat(good.length);
  fc.assert(
    fc.property(
      place,
      place,
      fc.constantFrom('', ',', '"', '}', '// x', "'", '\n', '\\', '{"a":1,"a":2}'),
      (from, to, put) => {
        const text = good.slice(0, from) + put + good.slice(Math.max(from, to));

        const read: unknown[] = [];
        const refused = refusalOf(() => read.push(parseText(text, 'x.json').value));

        for (const problem of refused) {
          const line = Number(/^x\.json:(\d+): ./.exec(problem)?.[1]);
          expect(line).toBeGreaterThanOrEqual(1);
          expect(line).toBeLessThanOrEqual(text.split('\n').length);
        }
        expect(read).toEqual(refused.length ? [] : [JSON.parse(text)]);
      },
    ),
  );
});

it('a secret that somebody put in a value is never repeated', () => {
  const secret = 'AIzaSyCanary0123';
  const marks = ['', '"', "'", '[', '{ api_key: ', '| ', '> x ', '!', '@', '`', '%', '] ', '"a" ', 'a: ', '- ', ', '];
  const place = fc.nat(LINES.length - 1);
  fc.assert(
    fc.property(place, fc.constantFrom(...marks), (at, mark) => {
      const line = (LINES[at] ?? '').replace(/:( .*)?$/, `: ${mark}${secret}`);

      const refused = refusalOf(() =>
        readChannels({ text: LINES.with(at, line).join('\n'), env: {}, cwd: '/', credentials: 'leave' }),
      );

      expect(refused.join('\n')).not.toContain(secret);
    }),
    { numRuns: 300 },
  );
});

/** @throws whatever else is thrown */
function refusalOf(read: () => unknown): readonly string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}
