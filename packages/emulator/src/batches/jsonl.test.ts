import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linesOf } from './jsonl.ts';

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

describe('linesOf', () => {
  it('finds every line that is not blank where it lies, however the bytes arrive', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', ' ', '{', '\r') });
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 9 }), fc.boolean(), async (lines, size, ended) => {
        const bytes = Buffer.from(lines.join('\n') + (ended ? '\n' : ''));

        const found = await Array.fromAsync(linesOf(pieces(bytes, size), 1_000));

        expect(found.map(({ bytes }) => bytes.toString())).toEqual(lines.filter((text) => text.trim() !== ''));
        for (const { offset, bytes: text } of found) {
          expect(bytes.subarray(offset, offset + text.length).equals(text)).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('refuses a line that is too long', async () => {
    await expect(Array.fromAsync(linesOf(pieces(Buffer.from('abc\nabcdef'), 2), 5))).rejects.toThrow(RangeError);
  });
});
