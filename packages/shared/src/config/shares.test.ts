import { expect, it } from 'vitest';
import { keyBoundsOf, shareOf } from './shares.ts';

it('tells what is said of a tenant and of a key, and that nothing is said of the others', () => {
  const tenants = { acme: { weight: 2, concurrency: 5 } };
  const keys = { key_1: { submissionsPerMinute: 3 } };

  expect(shareOf({ tenants }, 'acme')).toEqual({ weight: 2, concurrency: 5 });
  expect(shareOf({ tenants }, 'other')).toEqual({ weight: 1 });
  expect(keyBoundsOf({ keys }, 'key_1')).toEqual({ submissionsPerMinute: 3 });
  expect(keyBoundsOf({ keys }, 'key_2')).toEqual({});
});

it('takes no tenant for a property that every object has', () => {
  expect(shareOf({ tenants: {} }, 'constructor')).toEqual({ weight: 1 });
});
