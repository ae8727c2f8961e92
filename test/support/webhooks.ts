import type { Endpoint } from '@darkroom/shared/domain';
import { NOON } from '@darkroom/shared/testing/factories';
import { TENANT } from './ledger.ts';

/** An endpoint that hears of everything, at an address where nobody is. */
export function anEndpoint(overrides: Partial<Endpoint> = {}): Endpoint {
  return {
    id: 'whe_0199a9f0c8007000800000000000000a',
    tenant: TENANT,
    version: 1,
    url: 'https://receiver.example/hook',
    headers: {},
    secrets: [{ sealed: 'sealed' }],
    createdAt: NOON,
    gaps: [{ from: 0, until: NOON }],
    ...overrides,
  };
}
