import { describe, expect, it } from 'vitest';
import { startEmulator } from '../server.ts';
import { apiErrorOf, controlled, generate, imagesOf, MODEL, post, refused, sdk } from '../testing/client.ts';
import { REFUSAL_KINDS, type RefusalKind } from './refusals.ts';
import { EMPTY_CONTENTS, type Fault, FINISH_REASONS } from './rules.ts';

const withFault = (fault: Fault) => startEmulator({ faults: [{ fault }], settings: { render: 'fast' } });

/** How the client sees a broken answer. */
async function brokenCall(
  fault: Fault,
): Promise<{ error: string; billed: boolean; answered: boolean; status: number | undefined }> {
  await using emulator = await withFault(fault);
  let status: number | undefined;
  const error = await post(emulator)
    .then(async (response) => {
      status = response.status;
      return JSON.parse(await response.text());
    })
    .then(
      () => 'none',
      (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : ''),
    );
  const entry = await emulator.control.when(({ outcome }) => outcome !== 'open');
  return { error, status, billed: entry.billed !== undefined, answered: entry.answered };
}

const STATUS: Record<RefusalKind, number> = {
  overloaded: 503,
  model_overloaded: 503,
  unavailable: 503,
  deadline_503: 503,
  deadline_504: 504,
  internal: 500,
  bad_gateway: 502,
  payload_too_large: 413,
  gateway_timeout: 524,
  unauthenticated: 401,
  no_credits: 402,
  cancelled: 499,
  model_not_found: 404,
  file_forbidden: 403,
  not_found: 404,
  permission_denied: 403,
  key_invalid: 400,
  key_expired: 400,
  key_leaked: 403,
  unknown_field: 400,
  invalid_argument: 400,
  bad_image: 400,
  missing_signature: 400,
  location: 400,
  billing_needed: 400,
  quota_minute: 429,
  quota_day: 429,
  quota_day_free: 429,
  quota_minute_and_day: 429,
  quota_tokens: 429,
  quota_images: 429,
  quota_spend: 429,
  quota_bare: 429,
  quota_help_only: 429,
  quota_none: 429,
  quota_file_storage: 429,
  quota_cloud: 429,
  quota_vertex: 429,
};

describe('an error answer', () => {
  it.each(REFUSAL_KINDS)('%s reaches the SDK as an ApiError, and costs nothing', async (kind) => {
    await using emulator = await withFault({ kind });
    const error = await apiErrorOf(sdk(emulator).models.generateContent({ model: MODEL, contents: 'x' }));

    expect(error.status).toBe(STATUS[kind]);
    expect(JSON.parse(error.message).error.message).not.toBe('');
    expect(emulator.control.bill()).toMatchObject({ calls: 1, billed_calls: 0, cost_micros: 0 });
    expect(emulator.control.journal().entries[0]).toMatchObject({ fault: kind, outcome: 'rejected', answered: true });
  });

  it('may be an array, an empty body, or a page of the front end', async () => {
    const read = async (fault: Fault) => {
      await using emulator = await withFault(fault);
      const response = await post(emulator);
      return [response.status, response.headers.get('content-type'), (await response.text()).slice(0, 15)];
    };

    expect(await read({ kind: 'overloaded', body: 'array' })).toEqual([
      503,
      'application/json; charset=UTF-8',
      '[\n  {\n    "erro',
    ]);
    expect(await read({ kind: 'bad_gateway', body: 'empty' })).toEqual([502, 'application/json; charset=UTF-8', '']);
    expect(await read({ kind: 'overloaded', body: 'html' })).toEqual([
      503,
      'text/html; charset=UTF-8',
      '<!DOCTYPE html>',
    ]);
    expect(await read({ kind: 'payload_too_large' })).toEqual([413, 'text/html; charset=UTF-8', '<!DOCTYPE html>']);
  });

  it('names the day’s quota and its delay as Google does', async () => {
    await using emulator = await withFault({ kind: 'quota_day' });
    const error = await refused(emulator);

    expect(error.message).toMatch(/Please retry in 1h52m56\.409571576s\.$/);
    expect(error.details?.map((detail) => detail['@type'])).toEqual([
      'type.googleapis.com/google.rpc.QuotaFailure',
      'type.googleapis.com/google.rpc.Help',
      'type.googleapis.com/google.rpc.RetryInfo',
    ]);
    expect(error.details?.[0]?.['violations']).toEqual([
      {
        quotaMetric: 'generativelanguage.googleapis.com/generate_requests_per_model_per_day',
        quotaId: 'GenerateRequestsPerDayPerProjectPerModel',
        quotaDimensions: { location: 'global', model: MODEL },
        quotaValue: '100',
      },
    ]);
    expect(error.details?.[2]?.['retryDelay']).toBe('6776s');
  });

  it('may come late, with another delay, or after the image was charged', async () => {
    await using emulator = await withFault({ kind: 'deadline_504', afterMs: 20, billed: true });
    expect((await refused(emulator)).code).toBe(504);
    expect(emulator.control.bill().billed_calls).toBe(1);
    expect(emulator.control.journal().entries[0]?.ms).toBeGreaterThanOrEqual(19);

    emulator.control.putFaults([{ fault: { kind: 'quota_minute', retryMs: 2_500, retryAfter: 3 } }]);
    const response = await post(emulator);
    expect(response.headers.get('retry-after')).toBe('3');
    expect(await response.text()).toContain('Please retry in 2.5s.');
  });
});

describe('a broken connection', () => {
  it('is reset before anything was done', async () => {
    expect(await brokenCall({ kind: 'reset' })).toMatchObject({
      error: 'TypeError: fetch failed',
      billed: false,
      answered: false,
    });
  });

  it('is reset after the image was charged', async () => {
    expect(await brokenCall({ kind: 'reset_after_billing' })).toMatchObject({
      error: 'TypeError: fetch failed',
      billed: true,
    });
  });

  it.each([0, 0.5, 0.99])('is cut after %d of the answer', async (fraction) => {
    expect(await brokenCall({ kind: 'cut_body', fraction })).toMatchObject({
      error: 'TypeError: terminated',
      status: 200,
      billed: true,
      answered: false,
    });
  });

  it('carries JSON that ends in the middle', async () => {
    const call = await brokenCall({ kind: 'malformed_json' });

    expect(call).toMatchObject({ status: 200, billed: true, answered: true });
    expect(call.error).toMatch(/^SyntaxError/);
  });

  it('drips, whole', async () => {
    expect(await brokenCall({ kind: 'slow_drip', overMs: 40, pieces: 8 })).toMatchObject({
      error: 'none',
      billed: true,
      answered: true,
    });
  });

  it.each([true, false])('hangs until the client leaves, charged: %s', async (billed) => {
    await using emulator = await withFault({ kind: 'hang', billed });
    const leave = new AbortController();
    const call = post(emulator, { signal: leave.signal }).catch((error: unknown) => error);
    await emulator.control.when(({ finish_reason }) => finish_reason !== undefined);
    leave.abort();

    expect(await call).toMatchObject({ name: 'AbortError' });
    await emulator.control.idle();
    expect(emulator.control.bill().billed_calls).toBe(billed ? 1 : 0);
    expect(emulator.control.journal().entries[0]).toMatchObject({ outcome: 'lost', answered: false });
  });
});

describe('a 200 that disappoints', () => {
  it.each(FINISH_REASONS)('has no image because of %s', async (finishReason) => {
    await using emulator = await withFault({ kind: 'blocked', finishReason });
    const answer = await generate(emulator);

    expect(imagesOf(answer)).toEqual([]);
    expect(answer.candidates?.[0]).toMatchObject({
      finishReason,
      finishMessage: expect.stringContaining('Unable to show'),
    });
    const free = answer.candidates?.[0]?.finishMessage?.includes('You will not be charged') ?? false;
    expect(emulator.control.bill().billed_calls).toBe(free ? 0 : 1);
    expect(emulator.control.bill().images).toBe(0);
    expect(answer.usageMetadata === undefined).toBe(free);
  });

  it('counts the thoughts of a refusal once', async () => {
    await using emulator = await withFault({ kind: 'no_image' });
    const { usageMetadata: usage = {} } = await generate(emulator);
    const { candidatesTokenCount, thoughtsTokenCount = 0, promptTokenCount = 0, totalTokenCount } = usage;

    expect(candidatesTokenCount).toBe(thoughtsTokenCount);
    expect(totalTokenCount).toBe(promptTokenCount + thoughtsTokenCount);
    expect(emulator.control.bill().cost_micros).toBe(2 * promptTokenCount + 12 * thoughtsTokenCount);
  });

  it.each(EMPTY_CONTENTS)('spells an empty content as %s', async (content) => {
    const expected = { empty: {}, role: { role: 'model' }, null_parts: { parts: null }, missing: undefined };
    for (const fault of [
      { kind: 'blocked', finishReason: 'IMAGE_SAFETY', content },
      { kind: 'no_image', content },
      { kind: 'empty_answer', content },
    ] as const) {
      await using emulator = await withFault(fault);
      expect((await generate(emulator)).candidates?.[0]?.content).toEqual(expected[content]);
    }
  });

  it.each(['SAFETY', 'OTHER', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'IMAGE_SAFETY'] as const)(
    'refuses the prompt: %s',
    async (blockReason) => {
      await using emulator = await withFault({ kind: 'prompt_blocked', blockReason });
      const answer = await generate(emulator);
      expect(answer.promptFeedback).toEqual({ blockReason });
      expect(answer).not.toHaveProperty('candidates');

      emulator.control.putFaults([{ fault: { kind: 'prompt_blocked', blockReason, candidates: 'empty' } }]);
      expect((await generate(emulator)).candidates).toEqual([]);
    },
  );

  it('talks instead of drawing, or beside it', async () => {
    await using emulator = await withFault({ kind: 'text_only' });
    const talk = await generate(emulator);
    expect(talk.candidates?.[0]?.content?.parts?.map((part) => Object.keys(part)[0])).toEqual(['text']);
    expect(emulator.control.bill()).toMatchObject({ images: 0, billed_calls: 1 });

    emulator.control.putFaults([{ fault: { kind: 'with_text' } }]);
    const both = await generate(emulator);
    expect(both.candidates?.[0]?.content?.parts?.map((part) => Object.keys(part)[0])).toEqual(['text', 'inlineData']);
  });

  it('sends drafts first, all of them charged', async () => {
    await using emulator = await startEmulator({ faults: [{ fault: { kind: 'drafts', count: 3 } }] });
    const answer = await generate(emulator);
    const images = imagesOf(answer);

    expect(images).toHaveLength(4);
    expect(images[3]?.equals(images[0] ?? Buffer.alloc(0))).toBe(false);
    expect(emulator.control.bill().images).toBe(4);
    expect(emulator.control.journal().entries[0]?.billed).toMatchObject({ images: 4, image_tokens: 4 * 1120 });
  });

  it('flags a last image as a thought', async () => {
    await using emulator = await withFault({ kind: 'thought_image' });
    const parts = (await generate(emulator)).candidates?.[0]?.content?.parts;

    expect(parts?.map(({ thought }) => thought)).toEqual([undefined, true]);
  });

  it('comes from another model, without usage, or late', async () => {
    await using emulator = await withFault({ kind: 'wrong_model_version' });
    expect((await generate(emulator)).modelVersion).not.toBe(MODEL);

    emulator.control.putFaults([{ fault: { kind: 'missing_usage' } }]);
    expect(await generate(emulator)).not.toHaveProperty('usageMetadata');
    expect(emulator.control.bill().billed_calls).toBe(2);

    emulator.control.putFaults([{ fault: { kind: 'slow', ms: 30 } }]);
    await generate(emulator);
    expect(emulator.control.journal().entries.at(-1)?.ms).toBeGreaterThanOrEqual(29);
  });
});

describe('a fault script', () => {
  const statuses = async (emulator: Parameters<typeof post>[0], prompts: string[]) => {
    const codes: number[] = [];
    for (const prompt of prompts) codes.push((await post(emulator, { prompt })).status);
    return codes;
  };

  it('is put over HTTP, applies its first matching rule, and says what it did', async () => {
    await using emulator = await startEmulator();
    await controlled(emulator, 'PUT', 'faults', [
      { match: { promptIncludes: 'boat', nth: 2 }, fault: { kind: 'internal' } },
      { match: { route: 'generate_content' }, times: 1, fault: { kind: 'overloaded' } },
      { match: { model: 'gemini-2.5-flash-image' }, fault: { kind: 'quota_bare' } },
    ]);

    expect(await statuses(emulator, ['a boat', 'a boat', 'a boat', 'a car'])).toEqual([503, 500, 200, 200]);
    expect((await post(emulator, { model: 'gemini-2.5-flash-image' })).status).toBe(429);
    expect(emulator.control.faults()).toMatchObject([{ matched: 3, fired: 1 }, { fired: 1 }, { matched: 1, fired: 1 }]);
  });

  it('draws the same chances from the same seed', async () => {
    const run = async (seed: string) => {
      await using emulator = await startEmulator({
        seed,
        settings: { render: 'fast' },
        faults: [{ probability: 0.4, fault: { kind: 'overloaded' } }],
      });
      return await statuses(emulator, Array<string>(20).fill('x'));
    };

    const [one, again, other] = [await run('a'), await run('a'), await run('b')];

    expect(one).toEqual(again);
    expect(one).not.toEqual(other);
    expect(one.filter((status) => status === 503).length).toBeGreaterThan(2);
  });

  it('breaks downloads and lists too', async () => {
    await using emulator = await startEmulator();
    emulator.control.putFile({ name: 'big', mimeType: 'application/jsonl', bytes: Buffer.alloc(2_000_000, 'x') });
    const download = () => fetch(`${emulator.url}/v1beta/files/big:download?alt=media&key=k`);

    emulator.control.putFaults([{ match: { route: 'download_file' }, fault: { kind: 'cut_body' } }]);
    await expect(download().then((response) => response.arrayBuffer())).rejects.toThrow('terminated');
    expect((await fetch(`${emulator.url}/v1/models?key=k`)).status).toBe(200);

    emulator.control.putFaults([{ fault: { kind: 'unavailable' } }]);
    expect((await download()).status).toBe(503);
    emulator.control.putFaults([{ fault: { kind: 'reset' } }]);
    await expect(fetch(`${emulator.url}/v1/models?key=k`)).rejects.toThrow('fetch failed');
  });

  it('is refused when it makes no sense, with the field at fault', async () => {
    await using emulator = await startEmulator();
    const response = await controlled(emulator, 'PUT', 'faults', [
      { fault: { kind: 'blocked', finishReason: 'TIRED' } },
    ]);

    expect(response.status).toBe(400);
    expect(await response.text()).toContain('finishReason');
  });
});
