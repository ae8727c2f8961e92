import { parseEnv } from '@darkroom/shared/config';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { alertEnv, alertOptions } from './alert-config.ts';

const parse = (env: Record<string, string> = {}) => parseEnv(z.object(alertEnv), env);

it('by default an operator is woken for what services like this one begin with', () => {
  expect(alertOptions(parse())).toEqual({
    tenant: 'default',
    rules: {
      errorRate: 0.05,
      p99Seconds: 30,
      failovers: 3,
      queueAgeSeconds: 600,
      inDoubtUsd: 1,
      retirementDays: [30, 7, 1],
    },
    everyMs: 15_000,
  });
});

it('a short window is looked at more often', () => {
  expect(alertOptions(parse({ ALERT_WINDOW: '60' })).everyMs).toBe(1_500);
});

describe('the days before the end of a model', () => {
  it('may be any few, or none', () => {
    expect(parse({ ALERT_RETIREMENT: '90, 14' }).ALERT_RETIREMENT).toEqual([90, 14]);
    expect(parse({ ALERT_RETIREMENT: 'never' }).ALERT_RETIREMENT).toEqual([]);
  });

  it.each(['soon', '30,', '-1', '7;1'])('are not %s', (text) => {
    expect(() => parse({ ALERT_RETIREMENT: text })).toThrow(/ALERT_RETIREMENT.* must be days such as 30,7,1, or never/);
  });
});

it('mistakes are named together', () => {
  expect(() => parse({ ALERT_ERRORS: '500', ALERTS_TENANT: 'My Ops', ALERT_WINDOW: '1' })).toThrow(
    /ALERTS_TENANT must be the name of a tenant[^]*ALERT_ERRORS [^]*ALERT_WINDOW /,
  );
});
