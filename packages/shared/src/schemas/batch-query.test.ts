import { describe, expect, it } from 'vitest';
import { batchQuery } from './batch-query.ts';

const HOOK = 'https://shop.example/hook?a=b';

describe('the webhook of a batch in a query', () => {
  it.each([
    [{ webhook: HOOK }, { url: HOOK }],
    [{ 'webhook[url]': HOOK }, { url: HOOK }],
    [{ webhook: `{"url":"${HOOK}"}` }, { url: HOOK }],
    [
      { webhook: HOOK, 'webhook[events]': 'job.failed,batch.*' },
      { url: HOOK, events: ['job.failed', 'batch.*'] },
    ],
    [
      { 'webhook[events]': ['job.failed', 'batch.*'], webhook: HOOK },
      { url: HOOK, events: ['job.failed', 'batch.*'] },
    ],
    [{ 'webhook[events]': 'job.*' }, { events: ['job.*'] }],
    [{ webhook: ['a', 'b'] }, ['a', 'b']],
  ])('is read as %j', (query, webhook) => {
    expect(batchQuery(query)).toEqual({ webhook });
  });
});
