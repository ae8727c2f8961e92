import { randomUUIDv7 } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idFrom, imageId, isGeneratedJobId, isJobId, jobFolder, parseImageId, timeOfId } from './ids.ts';

const JOB = 'job_019aa0b1c2d37e4f8a9b0c1d2e3f4a5b';
const LETTERS = 'A B C X Y Z a b c x y z 0 1 9 _ . : -'.split(' ');

const ownId = () =>
  fc.oneof(
    fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 1, maxLength: 128 }),
    fc.string({ unit: fc.constantFrom('.', ':'), minLength: 1, maxLength: 128 }),
  );
const uuidV7 = () => fc.uuid({ version: 7 });
const jobId = () =>
  fc.oneof(
    ownId(),
    uuidV7().map((uuid) => idFrom('job', uuid)),
  );

describe('generated ids', () => {
  it('name their kind and carry the uuid without dashes', () => {
    expect(idFrom('att', '019aa0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5b')).toBe('att_019aa0b1c2d37e4f8a9b0c1d2e3f4a5b');
  });

  it('tell when they were made', () => {
    const before = Date.now();
    const id = idFrom('job', randomUUIDv7());

    expect(timeOfId(id)).toBeGreaterThanOrEqual(before);
    expect(timeOfId(id)).toBeLessThanOrEqual(Date.now());
  });

  it('name the instant they are told, in place of the host’s', () => {
    const id = idFrom('job', randomUUIDv7(), 1_763_600_000_000);

    expect(timeOfId(id)).toBe(1_763_600_000_000);
    expect(isGeneratedJobId(id)).toBe(true);
  });

  it('sort as they were made', () => {
    fc.assert(
      fc.property(uuidV7(), uuidV7(), (a, b) => {
        const [x, y] = [idFrom('job', a), idFrom('job', b)];

        expect(x < y || timeOfId(x) >= timeOfId(y)).toBe(true);
      }),
    );
  });

  it('are told from a caller’s own', () => {
    expect(isGeneratedJobId(JOB)).toBe(true);
    expect(isGeneratedJobId(idFrom('job', randomUUIDv7()))).toBe(true);
    for (const id of [
      'sku-1',
      JOB.toUpperCase(),
      `${JOB}0`,
      JOB.slice(0, -1),
      'job_',
      JOB.replace('7e4f', '4e4f'),
      'job_ffffffffffff7fffbfffffffffffffff',
    ]) {
      expect(isGeneratedJobId(id)).toBe(false);
    }
  });
});

describe('isJobId', () => {
  it.each(['a', 'sku-1', '..', 'a:b.c_d-e', 'x'.repeat(128), JOB])('takes %s', (id) => {
    expect(isJobId(id)).toBe(true);
  });

  it.each(['', 'x'.repeat(129), 'a b', 'a/b', 'a\\b', 'a~b', 'ä', 'a\n', 'a\0', '%2e', 'a?b', 'a#b'])(
    'refuses %j',
    (id) => {
      expect(isJobId(id)).toBe(false);
    },
  );
});

describe('jobFolder', () => {
  it('files a generated id by its day, the same for every tenant', () => {
    expect(jobFolder('default', JOB)).toBe(`2025/11/20/${JOB}`);
    expect(jobFolder('other', JOB)).toBe(`2025/11/20/${JOB}`);
  });

  it('files a caller’s own id under its tenant', () => {
    expect(jobFolder('default', 'sku:1.2')).toBe('own/default/sku~c1~d2');
    expect(jobFolder('default', 'SKU-c')).toBe('own/default/~_s~_k~_u-c');
  });

  it('makes a path of legal segments out of any id, with room for a file name after it', () => {
    fc.assert(
      fc.property(jobId(), (id) => {
        const folder = jobFolder('default', id);

        expect(folder).toMatch(/^[a-z0-9_~/-]+$/);
        for (const segment of folder.split('/')) {
          expect(segment.length).toBeGreaterThan(0);
          expect(segment.length).toBeLessThanOrEqual(128);
        }
      }),
    );
  });

  it('gives distinct ids and distinct tenants distinct folders', () => {
    fc.assert(
      fc.property(ownId(), ownId(), fc.constantFrom('a', 'b'), fc.constantFrom('a', 'b'), (x, y, s, t) => {
        expect(jobFolder(s, x) === jobFolder(t, y)).toBe(x === y && s === t);
      }),
    );
  });

  it('tells ids apart that differ in case only, on a disk that does not', () => {
    const sameButForCase = ownId().chain((id) => fc.tuple(fc.constant(id), fc.mixedCase(fc.constant(id))));

    fc.assert(
      fc.property(sameButForCase, ([x, y]) => {
        expect(jobFolder('default', x).toLowerCase() === jobFolder('default', y).toLowerCase()).toBe(x === y);
      }),
    );
    expect(jobFolder('default', 'D')).not.toBe(jobFolder('default', '.'));
  });

  it('keeps the longest ids apart, which do not fit once escaped', () => {
    expect(jobFolder('default', '.'.repeat(128))).not.toBe(jobFolder('default', ':'.repeat(128)));
    expect(jobFolder('default', '.'.repeat(128)).length).toBeLessThan(100);
  });
});

describe('image ids', () => {
  it('name a job’s image without its prefix', () => {
    expect(imageId(JOB, 0)).toBe('img_019aa0b1c2d37e4f8a9b0c1d2e3f4a5b.0');
    expect(imageId('sku:1.2', 3)).toBe('img_~sku:1.2.3');
  });

  it('lead back to job and number, whatever the id', () => {
    fc.assert(
      fc.property(jobId(), fc.integer({ min: 0, max: 999 }), (job, n) => {
        expect(parseImageId(imageId(job, n))).toEqual({ job, n });
      }),
    );
  });

  it.each([
    '',
    'img_',
    'img_~.',
    'img_~a',
    'img_a.1',
    'img_~a/b.1',
    'img_~a.1000',
    `img_${JOB}.1`,
    'img_~a.-1',
    'img_~a.1\n',
  ])('refuses %j', (id) => {
    expect(parseImageId(id)).toBeUndefined();
  });

  it('never throws, and never finds an id that could not be a job’s', () => {
    fc.assert(
      fc.property(
        fc.string().map((text) => `img_${text}`),
        (id) => {
          const parsed = parseImageId(id);

          expect(parsed === undefined || isJobId(parsed.job)).toBe(true);
        },
      ),
    );
  });
});
