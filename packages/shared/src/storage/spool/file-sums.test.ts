import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFileSums } from './file-sums.ts';

const sums = createFileSums();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-sums-'));
});
afterAll(async () => {
  await sums[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const SOURCE = randomBytes(9 << 20);
const STEPS = [1 << 30, 1_000_003, 100_000];
const sumOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

it('sums files of any size, several at a time, each written in any steps', async () => {
  const sizes = [0, 1, 256 << 10, (256 << 10) + 1, 4 << 20, SOURCE.length];

  const taken = await Promise.all(
    sizes.flatMap((size) =>
      STEPS.map(async (step) => {
        const path = join(folder, `${size}-${step}`);
        await writeFile(path, '');
        const sum = sums.begin(path);
        for (let at = 0; at < size; at += step) {
          await appendFile(path, SOURCE.subarray(at, Math.min(size, at + step)));
          sum.written(Math.min(size, at + step));
        }
        return [size, await sum.end(size)];
      }),
    ),
  );

  expect(taken).toEqual(sizes.flatMap((size) => STEPS.map(() => [size, sumOf(SOURCE.subarray(0, size))])));
});

it('fails for a file that is gone or too short, and for no other', async () => {
  const path = join(folder, 'short');
  await writeFile(path, SOURCE);
  const whole = sums.begin(path).end(SOURCE.length);

  await expect(sums.begin(join(folder, 'none')).end(SOURCE.length)).rejects.toThrow('ENOENT');
  await expect(sums.begin(path).end(SOURCE.length + 1)).rejects.toThrow('fewer than');
  expect(await whole).toBe(sumOf(SOURCE));
});

it('fails whoever waits when the thread ends, and whoever comes after', async () => {
  const own = createFileSums();
  const path = join(folder, 'large');
  await writeFile(path, SOURCE);
  const [before, after] = [own.begin(path), own.begin(path)];
  const waiting = before.end(SOURCE.length);
  waiting.catch(() => undefined);
  await own[Symbol.asyncDispose]();

  await expect(waiting).rejects.toThrow('has ended');
  await expect(after.end(SOURCE.length)).rejects.toThrow('has ended');
});
