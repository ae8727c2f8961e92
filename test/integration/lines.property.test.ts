import { lineScore } from '@darkroom/shared/domain';
import type { LineTurn } from '@darkroom/shared/ports';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aStanding, MODEL, openTestLines } from '../support/lines.ts';

const IDS = ['a-1', 'a-2', 'a-3', 'a-4', 'b-1', 'b-2', 'c-1', 'c-2'];
const LINES = [['gemini'], ['gemini', 'vertex'], ['vertex']];
const CONCURRENCY = 2;

const step = fc.oneof(
  fc.record({
    type: fc.constant('add' as const),
    ids: fc.uniqueArray(fc.constantFrom(...IDS), { minLength: 1, maxLength: 8 }),
    line: fc.constantFrom(...LINES),
    priority: fc.integer({ min: 1, max: 9 }),
  }),
  { weight: 6, arbitrary: fc.record({ type: fc.constant('pick' as const) }) },
  fc.record({ type: fc.constant('end' as const), n: fc.nat({ max: 5 }) }),
  fc.record({
    type: fc.constantFrom('start' as const, 'putBack' as const, 'drop' as const),
    n: fc.nat({ max: 5 }),
    wait: fc.boolean(),
  }),
  fc.record({ type: fc.constant('dropWaiting' as const), id: fc.constantFrom(...IDS) }),
  fc.record({ type: fc.constant('open' as const), channel: fc.constantFrom('gemini', 'vertex') }),
);

type Waiting = { id: string; line: string; score: number };

const tenantOf = (id: string) => id.slice(0, 1);
/** Of one tenant, a job is always of the same key, or of none: `a-1` and `a-2` are of one with limits. */
const keyOf = (id: string) => (id === 'a-1' || id === 'a-2' ? { key: 'k' } : {});

describe('lines', () => {
  it('lose no job, let none be taken out of turn or beyond its bounds, and forget all when they are empty', async () => {
    await using test = await openTestLines({
      resent: true,
      shareOf: (tenant) => ({ weight: tenant === 'a' ? 2 : 1, concurrency: CONCURRENCY }),
      keyShareOf: () => ({ concurrency: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        // What a run that failed has left would fail the shorter ones, too.
        const old = await test.redis.keys(`${test.base}*`);
        if (old.length) await test.redis.unlink(old);
        let waiting: Waiting[] = [];
        let picked: { turn: LineTurn; was: Waiting }[] = [];
        let running: LineTurn[] = [];
        const shut = new Set<string>();
        const forget = (id: string) => {
          waiting = waiting.filter((one) => one.id !== id);
          for (const line of shut) if (!waiting.some((one) => one.line === line)) shut.delete(line);
        };
        const stand = (one: Waiting) => {
          waiting = [...waiting.filter(({ id }) => id !== one.id), one];
          for (const line of shut) if (!waiting.some((other) => other.line === line)) shut.delete(line);
        };
        const held = (id: string) => {
          const out = [...picked.map(({ turn }) => turn), ...running];
          const ofTenant = out.filter(({ tenant }) => tenant === tenantOf(id));
          return (
            ofTenant.length >= CONCURRENCY ||
            (keyOf(id).key !== undefined && ofTenant.some(({ key }) => key !== undefined))
          );
        };
        const mayGo = () => waiting.filter(({ id, line }) => !shut.has(line) && !held(id));
        const pick = async () => {
          const may = mayGo();
          const answer = await test.lines.pick(MODEL);
          const none = waiting.length || picked.length ? 'wait' : 'empty';
          expect(answer.type).toBe(may.length ? 'job' : none);
          if (answer.type !== 'job') return;
          const { turn } = answer;
          const was = may.find(({ id }) => id === turn.id);
          expect(was).toMatchObject({ line: turn.channels.join(',') });
          const kin = may.filter(({ id }) => tenantOf(id) === turn.tenant);
          expect(was?.score).toBe(Math.min(...kin.map(({ score }) => score)));
          forget(turn.id);
          if (was) picked.push({ turn, was });
        };
        for (const one of steps) {
          if (one.type === 'add') {
            // Who is picked or runs is not added: such a job stands in line twice, and whoever reads its record drops it.
            const out = new Set([...picked.map(({ turn }) => turn.id), ...running.map(({ id }) => id)]);
            const added = one.ids
              .filter((id) => !out.has(id))
              .map((id) => aStanding(id, { channels: one.line, priority: one.priority, ...keyOf(id) }));
            await test.lines.add(added);
            for (const standing of added)
              stand({ id: standing.id, line: standing.channels.join(','), score: lineScore(standing) });
          } else if (one.type === 'pick') await pick();
          else if (one.type === 'end') {
            const turn = running[one.n];
            if (turn) await test.lines.ended(turn);
            running = running.filter((other) => other !== turn);
          } else if (one.type === 'dropWaiting') {
            if (!waiting.some(({ id }) => id === one.id)) continue;
            await test.lines.drop({ tenant: tenantOf(one.id), id: one.id, model: MODEL, ...keyOf(one.id) });
            forget(one.id);
          } else if (one.type === 'open') {
            await test.lines.open(MODEL, one.channel);
            for (const line of shut) if (line.split(',').includes(one.channel)) shut.delete(line);
          } else {
            const entry = picked[one.n];
            if (!entry) continue;
            picked = picked.filter((other) => other !== entry);
            if (one.type === 'start') {
              await test.lines.started(entry.turn);
              running.push(entry.turn);
            } else if (one.type === 'drop') await test.lines.drop(entry.turn);
            else {
              await test.lines.putBack(entry.turn, one.wait ? 600_000 : undefined);
              stand(entry.was);
              if (one.wait) shut.add(entry.was.line);
            }
          }
          const sizes = await test.lines.sizes(MODEL);
          expect(sizes.reduce((sum, { waiting }) => sum + waiting, 0)).toBe(waiting.length);
          expect(sizes.reduce((sum, { running }) => sum + running, 0)).toBe(picked.length + running.length);
        }
        for (const { turn } of picked) await test.lines.drop(turn);
        for (const turn of running) await test.lines.ended(turn);
        for (const { id } of waiting) await test.lines.drop({ tenant: tenantOf(id), id, model: MODEL, ...keyOf(id) });
        const left = await test.redis.keys(`${test.base}*`);
        const kept = ['idle', 'v', 'began'].map((name) => `${test.base}:${name}`);
        // Starts are forgotten by themselves.
        expect(left.filter((key) => !kept.includes(key) && !key.includes(':starts:'))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});
