/** The lines of a batch's input, beside what the standard lane sends over a real socket. */

import { createGeminiChannel } from '@darkroom/shared/channels';
import type { JobRequest, Reference } from '@darkroom/shared/domain';
import type { SpoolEntry } from '@darkroom/shared/ports';
import { aReference } from '@darkroom/shared/testing/factories';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aBatchChannel, batchChannelTo, PROVIDER_KEY, refuse } from '../../support/batch-channel.ts';

const MIB = 1 << 20;

let cleanup: AsyncDisposableStack;

beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});

afterEach(() => cleanup.disposeAsync());

const { signal } = new AbortController();

describe('a line of the input', () => {
  const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const request = fc
    .record({
      prompt: fc.string({ minLength: 1, unit: 'binary' }),
      model: fc.constantFrom('gemini-3-pro-image', 'gemini-2.5-flash-image'),
      size: fc.constantFrom('1K', '2K', '4K'),
      aspectRatio: optional(fc.constantFrom('1:1', '16:9')),
      seed: optional(fc.nat()),
      thinking: optional(fc.constantFrom('minimal', 'high')),
      tools: fc.constantFrom([], ['google_search']),
      safety: fc.constantFrom([], [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }]),
      references: fc.array(
        fc
          .record({ name: optional(fc.string()), role: optional(fc.constantFrom('style', 'object')) })
          .map((more) => aReference(more as Partial<Reference>)),
        { maxLength: 3 },
      ),
    })
    .map((some) => aRequest(JSON.parse(JSON.stringify(some)) as Partial<JobRequest>));

  function aRequest(more: Partial<JobRequest> = {}): JobRequest {
    return {
      prompt: 'a red bicycle',
      model: 'gemini-3-pro-image',
      size: '2K',
      references: [],
      tools: [],
      safety: [],
      lane: 'batch',
      priority: 5,
      onUnknownOutcome: 'retry',
      dedup: false,
      tags: [],
      metadata: {},
      ...more,
    };
  }

  it('asks for exactly what the standard lane would send', async () => {
    const [channel, stub] = await aBatchChannel(cleanup, [refuse(400)]);
    const standard = cleanup.use(
      createGeminiChannel({ apiKey: PROVIDER_KEY, baseUrl: stub.url, apiVersion: 'v1beta' }),
    );
    const entry = {} as SpoolEntry; // an error answer is never spooled
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const references = asked.references.map((_, n) => Buffer.from([n, 255, 7]));
        await standard.call(asked, { entry, references, timeoutMs: 20_000, signal });

        const line = channel.formatLine('att_1', asked, references).toString('utf8');

        expect(line.endsWith('}\n')).toBe(true);
        expect(JSON.parse(line)).toEqual({ key: 'att_1', request: JSON.parse(stub.calls.at(-1)?.body ?? '') });
        expect(channel.formatLine('att_1', asked, references).toString('utf8')).toBe(line);
      }),
      { numRuns: 60 },
    );
  });

  it('is refused when the provider could not take it as one request', () => {
    const channel = batchChannelTo(cleanup, 'http://127.0.0.1:9');
    const bytes = Buffer.alloc(40 * MIB);
    const references = [aReference(), aReference()];

    expect(() => channel.formatLine('a', aRequest({ references }), [bytes, bytes])).toThrow(
      expect.objectContaining({ code: 'payload_too_large', param: 'references' }),
    );
  });
});
