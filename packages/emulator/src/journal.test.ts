import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bill, chargeFor } from './bill.ts';
import { createJournal, type JournalPage } from './journal.ts';
import { MODELS } from './models.ts';
import { startEmulator } from './server.ts';
import { aModel, controlled, generate, MODEL, post } from './testing/client.ts';

describe('the bill', () => {
  it('charges what the usage says, at the rates of the price list', async () => {
    await using emulator = await startEmulator({ settings: { render: 'fast', drafts: 0.3, text: 0.5 } });
    let expected = 0;
    for (const [id, input, text, image] of [
      ['gemini-3-pro-image', 2, 12, 120],
      ['gemini-nano-banana-2.1', 1.5, 7.5, 30],
      ['gemini-3.1-flash-image', 0.5, 3, 60],
      ['gemini-3.1-flash-lite-image', 0.25, 1.5, 30],
      ['gemini-2.5-flash-image', 0.3, 2.5, 30],
    ] as const) {
      for (let i = 0; i < 3; i += 1) {
        const { usageMetadata: usage = {} } = await generate(emulator, { model: id, prompt: `picture ${i}` });
        const images = (usage['candidatesTokensDetails'] as unknown as { tokenCount: number }[])[0]?.tokenCount ?? 0;
        const words = (usage['candidatesTokenCount'] ?? 0) - images + (usage['thoughtsTokenCount'] ?? 0);
        expected += Math.round((usage['promptTokenCount'] ?? 0) * input + words * text + images * image);
      }
    }

    const response = await controlled(emulator, 'GET', 'bill?entries=1');
    const bill = (await response.json()) as Bill & { entries: unknown[] };
    expect(bill).toMatchObject({ calls: 15, billed_calls: 15, cost_micros: expected });
    expect(bill.entries).toHaveLength(15);
    expect(Object.keys(bill.by_model)).toEqual(MODELS.map(({ id }) => id));
  });

  it('charges whole micro-dollars, never less for more', () => {
    const tokens = fc.record({ prompt: fc.nat(1e6), image: fc.nat(1e5), text: fc.nat(1e5) });
    fc.assert(
      fc.property(fc.constantFrom(...MODELS), tokens, fc.nat(1e4), (model, tokens, more) => {
        const { cost_micros } = chargeFor(model, tokens, 1);
        expect(Number.isSafeInteger(cost_micros)).toBe(true);
        expect(chargeFor(model, { ...tokens, text: tokens.text + more }, 1).cost_micros).toBeGreaterThanOrEqual(
          cost_micros,
        );
      }),
    );
  });

  it('matches the published price of an image', () => {
    const price = (id: string, size: string) => {
      const model = aModel(id);
      return chargeFor(model, { prompt: 0, text: 0, image: model.imageTokens[size] ?? 0 }, 1).cost_micros;
    };

    expect([price(MODEL, '1K'), price(MODEL, '4K')]).toEqual([134_400, 240_000]);
    expect(price('gemini-nano-banana-2.1', '4K')).toBe(113_400);
    expect(price('gemini-3.1-flash-image', '512')).toBe(44_820);
    expect(price('gemini-2.5-flash-image', '1K')).toBe(38_700);
  });

  it.each([true, false])('charges an image whose caller went away: %s', async (bill_abandoned) => {
    await using emulator = await startEmulator({ settings: { bill_abandoned, hold: true } });
    const leave = new AbortController();
    const call = post(emulator, { signal: leave.signal }).catch(() => 'left');
    await emulator.control.when(({ held }) => held === true);
    leave.abort();
    await call;
    await emulator.control.when(({ left }) => left === true);

    emulator.control.release();
    await emulator.control.idle();

    expect(emulator.control.bill().billed_calls).toBe(bill_abandoned ? 1 : 0);
    expect(emulator.control.journal().entries[0]).toMatchObject({ outcome: 'lost', answered: false });
  });
});

describe('the journal', () => {
  it('tells each call’s story, in order and by page', async () => {
    await using emulator = await startEmulator();
    await generate(emulator, { prompt: 'first', key: 'secret-key-1234' });
    await post(emulator, { prompt: 'second', model: 'nope' });
    await fetch(`${emulator.url}/v1/models?key=k`);

    const response = await controlled(emulator, 'GET', 'journal?since=1');
    const page = (await response.json()) as JournalPage;
    expect(page).toMatchObject({ last: 3, in_flight: 0 });
    expect(page.entries).toMatchObject([
      { n: 2, prompt: 'second', model: 'nope', outcome: 'rejected', http_status: 404 },
      { n: 3, route: 'list_models', outcome: 'settled' },
    ]);
    expect(emulator.control.journal({ limit: 1 }).entries).toMatchObject([
      {
        n: 1,
        prompt: 'first',
        key: '1234',
        outcome: 'settled',
        answered: true,
        finish_reason: 'STOP',
        billed: { images: 1 },
      },
    ]);
    expect(JSON.stringify(page)).not.toContain('secret');
  });

  it('is forgotten with the bill, and counts on', async () => {
    await using emulator = await startEmulator();
    await generate(emulator);
    await controlled(emulator, 'DELETE', 'journal');
    expect(emulator.control.bill()).toMatchObject({ calls: 0, cost_micros: 0 });

    await generate(emulator);

    expect(emulator.control.journal().entries).toMatchObject([{ n: 2 }]);
    expect(emulator.control.bill().billed_calls).toBe(1);
  });

  it('keeps the latest 50,000 or so, finds any page at once, and keeps counting the rest', () => {
    const journal = createJournal(() => 0);
    for (let i = 0; i < 60_000; i += 1) {
      const entry = journal.open({
        route: 'generate_content',
        mode: 'gemini',
        project: 'project',
        path: '/',
        version: 'v1',
        key: '',
      });
      journal.update(entry, { model: MODEL, outcome: 'rejected' });
    }

    expect(journal.page(59_990, 100).entries.map(({ n }) => n)).toEqual([
      59_991, 59_992, 59_993, 59_994, 59_995, 59_996, 59_997, 59_998, 59_999, 60_000,
    ]);
    expect(journal.page(0, 1).entries[0]?.n).toBeGreaterThan(1);
    expect(journal.bill().calls).toBe(60_000);
  });
});

describe('control over HTTP', () => {
  it('refuses what makes no sense, with the field at fault', async () => {
    await using emulator = await startEmulator();
    for (const [method, path, body, word] of [
      ['PATCH', 'settings', { latency: -1 }, 'latency'],
      ['PATCH', 'settings', { speed: 1 }, 'speed'],
      ['GET', 'journal?since=x', undefined, 'since'],
      ['POST', 'release?count=x', undefined, 'count'],
      ['POST', 'files?name=No!', {}, 'lower-case'],
    ] as const) {
      const response = await controlled(emulator, method, path, body);
      expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(word)]);
    }
    expect((await controlled(emulator, 'GET', 'nothing')).status).toBe(404);
  });
});
