import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { claimFolder } from '../../scripts/lib/claim.mjs';
import { boundLog, cacheFolder, tail } from '../../scripts/lib/files.mjs';
import { keepRunning } from '../../scripts/lib/keep-running.mjs';
import { keptSecret, newApiKey } from '../../scripts/lib/keys.mjs';
import { followLogs } from '../../scripts/lib/logs.mjs';
import { parseReplies } from '../../scripts/lib/redis-wire.mjs';
import { introduction } from '../../scripts/lib/say.mjs';
import { closingLine, countTests } from '../../scripts/lib/totals.mjs';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'darkroom-parts-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('a kept secret', () => {
  it('is made once, whoever asks and however often', async () => {
    const path = join(dir, 'api-key');

    const answers = await Promise.all([1, 2, 3].map(() => keptSecret(path, newApiKey)));

    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toMatch(/^dk_live_[\w-]{43}$/);
    expect(await keptSecret(path, newApiKey)).toBe(answers[0]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('is made anew when a full disk left an empty file', async () => {
    const path = join(dir, 'secret');
    await writeFile(path, '');

    expect(await keptSecret(path, () => 'made')).toBe('made');
  });
});

describe('a claim on a data folder', () => {
  it('keeps others out until it is given back', async () => {
    const release = await claimFolder(dir);

    await expect(claimFolder(dir)).rejects.toThrow(`process ${process.pid}`);
    await release();
    await (await claimFolder(dir))();
  });

  it('goes to one of several starts at the same moment, also after a launcher that was killed', async () => {
    await (await claimFolder(dir))();

    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => claimFolder(dir)));

    const winners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(winners).toHaveLength(1);
    await winners[0]?.();
  });

  it('moves to another port when some other program has its own', async () => {
    await (await claimFolder(dir))();
    const claim = await readFile(join(dir, 'launcher'), 'utf8');
    const stranger = createServer((socket) => socket.end('220 mail')).listen(Number.parseInt(claim, 10), '127.0.0.1');
    await once(stranger, 'listening');

    const release = await claimFolder(dir);

    expect(await readFile(join(dir, 'launcher'), 'utf8')).not.toBe(claim);
    await release();
    stranger.close();
  });
});

describe('a program that is kept running', () => {
  it('is started again with growing pauses, also when it does not start, and each time says why', async () => {
    const said: string[] = [];
    let starts = 0;
    const program = {
      name: 'the worker',
      exited: () => (starts === 0 ? Promise.resolve('exited with code 7') : new Promise<string>(() => undefined)),
      restart: async () => {
        if (++starts === 1) throw new Error('disk full');
      },
      lastWords: async () => 'it said this',
      say: (line: string) => void said.push(line),
    };

    const end = keepRunning(program);
    await vi.waitFor(() => expect(starts).toBe(2), { timeout: 5_000, interval: 20 });
    await end();

    expect(said).toEqual([
      'the worker exited with code 7; starting it again in 0.5 s',
      'its last words:\nit said this',
      'the worker did not start (disk full); starting it again in 1 s',
      'its last words:\nit said this',
    ]);
  });

  it('stays down once the watch has ended', async () => {
    const exit = Promise.withResolvers<string>();
    const restart = vi.fn<() => Promise<void>>();
    const end = keepRunning({
      name: 'it',
      exited: () => exit.promise,
      restart,
      lastWords: async () => '',
      say: () => undefined,
    });

    await end();
    exit.resolve('exited with code 0');
    await exit.promise;

    expect(restart).not.toHaveBeenCalled();
  });
});

describe('a log file', () => {
  it('is moved aside above its bound, and stays where the program has it open', async () => {
    const path = join(dir, 'api.log');
    await writeFile(path, 'x'.repeat(100));
    const { ino } = await stat(path);

    await boundLog(path, 99);
    await boundLog(path, 99);

    expect(await readFile(`${path}.1`, 'utf8')).toHaveLength(100);
    expect(await stat(path)).toMatchObject({ ino, size: 0 });
  });

  it('yields its last lines, and nothing where there is none', async () => {
    const path = join(dir, 'api.log');
    await writeFile(path, 'one\ntwo\nthree\n');

    expect(await tail(path, 2)).toBe('two\nthree');
    expect(await tail(path, 5, 4)).toBe('two\nthree');
    expect(await tail(join(dir, 'none.log'), 2)).toBe('');
  });

  it('is shown line by line from now on, each with its program', async () => {
    const path = join(dir, 'api.log');
    await writeFile(path, 'before\n');
    const shown: string[] = [];
    const stop = followLogs([path], (text: string) => shown.push(text));
    await vi.waitFor(async () => {
      await writeFile(path, 'after\nhalf', { flag: 'a' });
      expect(shown.join('')).toContain('api: after\n');
    });

    await stop();

    expect(shown.join('')).not.toContain('before');
  });
});

describe('the cache folder', () => {
  it('is never one that somebody else could write programs into', async () => {
    const open = join(dir, 'open');
    await mkdir(join(open, 'darkroom'), { recursive: true });
    await chmod(join(open, 'darkroom'), 0o777);

    expect(await cacheFolder({ XDG_CACHE_HOME: open })).not.toContain(open);
    expect(await cacheFolder({ XDG_CACHE_HOME: dir })).toBe(join(dir, 'darkroom'));
  });
});

describe('the answers of Redis', () => {
  it('are read whole wherever the network cuts them', () => {
    const bytes = Buffer.from('+PONG\r\n:42\r\n$6\r\nprüf!\r\n$-1\r\n*2\r\n$1\r\na\r\n*-1\r\n-ERR no\r\n');
    const whole = ['PONG', 42, 'prüf!', null, ['a', null], new Error('ERR no')];

    for (let cut = 0; cut < bytes.length; cut++) expect(parseReplies(bytes.subarray(0, cut), 6)).toBeUndefined();
    expect(parseReplies(bytes, 6)).toEqual(whole);
  });
});

describe('what a start prints', () => {
  it('is a command that the shell reads as one', () => {
    const text = introduction(
      { dataDir: '/data', emulated: true },
      { url: 'http://127.0.0.1:8080', apiKey: 'dk_live_x' },
    );

    expect(text).toMatch(
      /^curl -sS http:\/\/127\.0\.0\.1:8080\/v1\/jobs \\\n {2}-H 'Authorization: Bearer dk_live_x' \\$/m,
    );
    expect(text).toContain('set GEMINI_API_KEY');
    expect(introduction({ dataDir: '/data', emulated: false }, { url: '', apiKey: '' })).not.toContain('emulator');
    const listed = { dataDir: '/data', emulated: false, channelsFile: 'darkroom.config.yaml' };
    expect(introduction(listed, { url: '', apiKey: '' })).toContain('the channels of darkroom.config.yaml');
  });
});

describe('the closing line of a test run', () => {
  it.each([
    [{ numPassedTests: 7, numFailedTests: 0 }, true, '7 passed, 0 failed'],
    [
      { numPassedTests: 7, numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 },
      false,
      '7 passed, 2 failed, 2 skipped',
    ],
    // A file that cannot be loaded fails the run without a failed test.
    [{ numPassedTests: 7, numFailedTests: 0 }, false, '7 passed, 1 failed'],
    [undefined, false, '0 passed, 1 failed'],
  ])('counts %j as it is', (report, succeeded, line) => {
    expect(closingLine(countTests(report, succeeded))).toBe(line);
  });
});
