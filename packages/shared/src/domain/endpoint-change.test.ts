import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Endpoint, isInGap, type OwnGenerations, wants } from './endpoint.ts';
import { type EndpointPatch, newEndpoint, patchEndpoint, rotateOwn, rotateSecret } from './endpoint-change.ts';
import { LOGGED_TYPES, type LoggedType } from './event.ts';

const NOW = 1_795_000_000_000;
const HOUR = 3_600_000;

function anEndpoint(overrides: Partial<Parameters<typeof newEndpoint>[0]> = {}, now = NOW): Endpoint {
  const facts = { id: 'whe_1', tenant: 't', url: 'https://a.example/', headers: {}, secret: 'one', enabled: true };
  return newEndpoint({ ...facts, ...overrides }, now);
}

const ofTypes = (...events: LoggedType[]) => anEndpoint({ events });

describe('a new endpoint', () => {
  it('was sent nothing of what happened before it', () => {
    const endpoint = anEndpoint();

    expect([isInGap(endpoint, NOW - 1), isInGap(endpoint, NOW + 1)]).toEqual([true, false]);
  });

  it('that begins disabled is sent nothing until it is enabled', () => {
    const endpoint = anEndpoint({ enabled: false });
    const enabled = patchEndpoint(endpoint, { enabled: true }, NOW + HOUR);

    expect(endpoint.disabled).toEqual({ reason: 'caller', at: NOW });
    expect([isInGap(endpoint, NOW + 9 * HOUR), isInGap(enabled, NOW + 1), isInGap(enabled, NOW + 2 * HOUR)]).toEqual([
      true,
      true,
      false,
    ]);
  });
});

describe('a change of types', () => {
  it('that wants more leaves a gap from ever to now, in which nobody knows what was sent', () => {
    const wider = patchEndpoint(ofTypes('job.failed'), { events: ['job.failed', 'job.blocked'] }, NOW + HOUR);

    expect([isInGap(wider, NOW + HOUR - 1), isInGap(wider, NOW + HOUR + 1)]).toEqual([true, false]);
  });

  it('that wants less leaves none', () => {
    const endpoint = ofTypes('job.failed', 'job.blocked');

    expect(patchEndpoint(endpoint, { events: ['job.failed'] }, NOW + HOUR).gaps).toEqual(endpoint.gaps);
  });

  it('to all of them wants more', () => {
    const wider = patchEndpoint(ofTypes('job.failed'), { events: null }, NOW + HOUR);

    expect(wider).not.toHaveProperty('events');
    expect(isInGap(wider, NOW + 1)).toBe(true);
  });

  it('of a disabled endpoint leaves a gap that lasts until it is enabled', () => {
    const off = patchEndpoint(ofTypes('job.failed'), { enabled: false }, NOW + HOUR);
    const wider = patchEndpoint(off, { events: null }, NOW + 2 * HOUR);
    const on = patchEndpoint(wider, { enabled: true }, NOW + 3 * HOUR);

    expect(isInGap(wider, NOW + 9 * HOUR)).toBe(true);
    expect([isInGap(on, NOW + 3 * HOUR - 1), isInGap(on, NOW + 3 * HOUR + 1)]).toEqual([true, false]);
  });
});

describe('a switch', () => {
  it('keeps why the endpoint was disabled when its caller does it as well', () => {
    const gone: Endpoint = { ...anEndpoint(), disabled: { reason: 'gone', at: NOW } };

    expect(patchEndpoint(gone, { enabled: false }, NOW + HOUR).disabled).toEqual({ reason: 'gone', at: NOW });
  });
});

const types = fc.uniqueArray(fc.constantFrom(...LOGGED_TYPES), { minLength: 1, maxLength: 4 });
const patch: fc.Arbitrary<EndpointPatch> = fc.record(
  {
    events: fc.option(types),
    enabled: fc.boolean(),
    description: fc.option(fc.constantFrom('a', 'b')),
    headers: fc.dictionary(fc.constantFrom('x-a', 'x-b'), fc.option(fc.constantFrom('1', '2'))),
  },
  { requiredKeys: [] },
);

describe('whatever is changed', () => {
  it('no event that is wanted now and was not sent when it happened lies outside a gap', () => {
    fc.assert(
      fc.property(types, fc.array(patch, { maxLength: 8 }), (first, patches) => {
        let endpoint = ofTypes(...first);
        const sent: { type: LoggedType; at: number; sent: boolean }[] = [];
        for (const [i, one] of patches.entries()) {
          const from = endpoint;
          const at = NOW + i * HOUR + HOUR / 2;
          sent.push(...LOGGED_TYPES.map((type) => ({ type, at, sent: !from.disabled && wants(from, type) })));
          endpoint = patchEndpoint(endpoint, one, NOW + (i + 1) * HOUR);
        }

        const missing = sent.filter((event) => !event.sent && wants(endpoint, event.type));
        expect(missing.filter(({ at }) => !isInGap(endpoint, at))).toEqual([]);
        expect(endpoint.version).toBe(patches.length + 1);
      }),
    );
  });

  it('headers are those set last, and none that was taken away', () => {
    const endpoint = anEndpoint({ headers: { 'x-a': '1', 'x-b': '2' } });

    expect(patchEndpoint(endpoint, { headers: { 'x-a': null, 'x-c': '3' } }, NOW).headers).toEqual({
      'x-b': '2',
      'x-c': '3',
    });
  });
});

describe('a new secret', () => {
  it('comes first, and each before it signs until it was said to, at the latest', () => {
    const day = rotateSecret(anEndpoint(), 'two', { overlapMs: 24 * HOUR, now: NOW });
    const hour = day && rotateSecret(day, 'three', { overlapMs: HOUR, now: NOW });
    const later = hour && rotateSecret(hour, 'four', { overlapMs: 24 * HOUR, now: NOW + 2 * HOUR });

    expect(hour?.secrets).toEqual([
      { sealed: 'three' },
      { sealed: 'two', until: NOW + HOUR },
      { sealed: 'one', until: NOW + HOUR },
    ]);
    expect(later?.secrets).toEqual([{ sealed: 'four' }, { sealed: 'three', until: NOW + 26 * HOUR }]);
  });

  it('is not made when five would sign, but always when the old ones end', () => {
    let endpoint = anEndpoint();
    const rotate = (overlapMs: number) => rotateSecret(endpoint, 'next', { overlapMs, now: NOW });
    for (let next = rotate(HOUR); next; next = rotate(HOUR)) endpoint = next;

    expect(endpoint.secrets).toHaveLength(5);
    expect(rotate(0)?.secrets).toEqual([{ sealed: 'next' }]);
  });

  it('for addresses that jobs name leaves each before it what it was promised', () => {
    const day = rotateOwn([{ generation: 0 }], { overlapMs: 24 * HOUR, now: NOW });
    const again = day && rotateOwn(day, { overlapMs: 24 * HOUR, now: NOW + HOUR });

    expect(again).toEqual([
      { generation: 2 },
      { generation: 1, until: NOW + 25 * HOUR },
      { generation: 0, until: NOW + 24 * HOUR },
    ]);
    const full = again?.concat(again.slice(1)) as OwnGenerations;
    expect(rotateOwn(full, { overlapMs: HOUR, now: NOW })).toBeUndefined();
    expect(rotateOwn(full, { overlapMs: 0, now: NOW })).toEqual([{ generation: 3 }]);
  });
});
