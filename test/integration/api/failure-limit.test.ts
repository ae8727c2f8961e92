import { describe, expect, it } from 'vitest';
import { createFailureLimit } from '../../../apps/api/src/http/failure-limit.ts';

function aLimit(max: number) {
  let time = 1_000_000;
  const limit = createFailureLimit({ max, now: () => time });
  return { ...limit, advance: (ms: number) => void (time += ms) };
}

const peer = (remoteAddress?: string) => ({ remoteAddress });

describe('a limit of failures', () => {
  it('is spent after so many from one address, and by nobody else', () => {
    const limit = aLimit(2);

    const left = [limit.fail(peer('::1')), limit.fail(peer('::1')), limit.fail(peer('::1'))];

    expect(left.map(({ remaining }) => remaining)).toEqual([1, 0, 0]);
    expect([limit.isSpent(peer('::1')), limit.isSpent(peer('::2')), limit.isSpent(peer())]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('starts anew a minute after the first failure, not the last', () => {
    const limit = aLimit(2);
    limit.fail(peer('::1'));
    limit.advance(59_000);
    expect(limit.fail(peer('::1'))).toEqual({ remaining: 0, resetMs: 1_000 });

    limit.advance(1_000);

    expect(limit.isSpent(peer('::1'))).toBe(false);
    expect(limit.fail(peer('::1'))).toEqual({ remaining: 1, resetMs: 60_000 });
  });

  it('forgets the address whose minute ends first, when there are too many', () => {
    const limit = aLimit(1);
    limit.fail(peer('first'));
    limit.advance(1);
    for (let n = 1; n < 10_000; n++) limit.fail(peer(`address ${n}`));
    expect(limit.isSpent(peer('first'))).toBe(true);

    limit.fail(peer('one more'));

    expect([limit.isSpent(peer('first')), limit.isSpent(peer('address 1'))]).toEqual([false, true]);
  });

  it('forgets nobody for an address that is known already', () => {
    const limit = aLimit(3);
    for (let n = 0; n < 10_000; n++) limit.fail(peer(`address ${n}`));

    for (let n = 0; n < 3; n++) limit.fail(peer('address 9999'));

    expect(limit.standing(peer('address 0'))).toMatchObject({ remaining: 2 });
  });

  it('says in headers how one stands', () => {
    const limit = aLimit(20);

    expect(limit.headers({ remaining: 3, resetMs: 29_001 })).toEqual({
      'ratelimit-policy': '"failed-auth";q=20;w=60',
      ratelimit: '"failed-auth";r=3;t=30',
    });
  });
});
