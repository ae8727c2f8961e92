import type { Redis } from 'ioredis';
import {
  type Crowd,
  type Flow,
  isGeneratedJobId,
  type LineStanding,
  lineScore,
  type Stander,
} from '../../domain/index.ts';
import type { Bounds, LineSize, Lines, LineTurn, Picked, Share, TenantSize } from '../../ports/index.ts';
import { keySpace } from './keys.ts';
import { createNonces } from './nonces.ts';
import { loadScript } from './scripts.ts';

/** Jobs of one script: so long that a bulk takes one trip, and so short that it never holds Redis for long. */
const STEP = 1_000;
/** Flows that a job's place is worked out from, the next ones: with more it is at least what is told. */
const FLOWS_MAX = 500;
/** A pick that nobody followed up. */
const LAPSE_MS = 60_000;
/** Longer than any call: it ends by itself what a dead worker ran. */
const CALL_MS_MAX = 15 * 60_000;

export type LinesOptions = {
  redis: Redis;
  prefix?: string;
  shareOf?: (tenant: string) => Share;
  /** What a key may have, where it has limits of its own. */
  keyShareOf?: (key: string) => Bounds;
  lapseMs?: number;
  callMsMax?: number;
};

/**
 * All keys of a model's lines share the tag of its queue, so that one script sees all of them. @see scripts/lines.lua
 *
 * Bounds and shares are noted when jobs are added: who picks needs to know nobody's.
 */
export function createRedisLines(options: LinesOptions): Lines {
  const { redis, prefix = '', shareOf, keyShareOf, lapseMs = LAPSE_MS, callMsMax = CALL_MS_MAX } = options;
  const space = keySpace(prefix);
  const load = (name: string) => loadScript(redis, name, 'lines');
  const addLater = load('lines-add-later');
  const [add, pick, started, ended] = [
    load('lines-add'),
    load('lines-pick'),
    load('lines-started'),
    load('lines-ended'),
  ];
  const [putBack, drop, open] = [load('lines-put-back'), load('lines-drop'), load('lines-open')];
  const [crowd, sizes] = [load('lines-crowd'), load('lines-sizes')];
  const nextTurn = createNonces();
  const shareText = ({ tenant, key }: Stander) =>
    formatShare(shareOf?.(tenant) ?? { weight: 1 }, (key !== undefined && keyShareOf?.(key)) || {});
  return {
    add: async (standings) => {
      const models = [...Map.groupBy(standings, ({ model }) => model)];
      await Promise.all(
        models.flatMap(([model, all]) =>
          chunks(all).map((some) =>
            add(
              [space.lines(model)],
              some.flatMap((group) => formatGroup(group, shareText)),
            ),
          ),
        ),
      );
    },
    addLater: async (standing, ms) => {
      const where = [lineOf(standing), flowOf(standing), shareText(standing), lineScore(standing), nameOf(standing.id)];
      await addLater([space.lines(standing.model)], [...where, Math.ceil(ms)]);
    },
    pick: async (model): Promise<Picked> => {
      const turn = nextTurn();
      const [type, ...rest] = (await pick([space.lines(model)], [turn, lapseMs])) as [Picked['type'], ...string[]];
      if (type === 'wait') return { type, ms: Number(rest[0]) };
      if (type === 'empty') return { type };
      const [line = '', flow = '', name = ''] = rest;
      return {
        type,
        turn: { model, turn, channels: line ? line.split(',') : [], id: parseName(name), ...parseFlow(flow) },
      };
    },
    started: async (turn, as = turn.turn) => {
      await started([space.lines(turn.model)], [turn.turn, flowOf(turn), nameOf(turn.id), callMsMax, as]);
    },
    ended: async (running) => {
      await ended([space.lines(running.model)], [running.turn, flowOf(running)]);
    },
    putBack: async ({ model, turn }, waitMs) => {
      await putBack([space.lines(model)], [turn, waitMs === undefined ? '' : Math.ceil(waitMs)]);
    },
    drop: async (stander) => {
      const turn = 'turn' in stander ? stander.turn : '';
      await drop([space.lines(stander.model)], [turn, flowOf(stander), nameOf(stander.id)]);
    },
    open: async (model, channel) => {
      await open([space.lines(model)], [channel]);
    },
    crowd: async (stander) => {
      const answer = await crowd([space.lines(stander.model)], [flowOf(stander), nameOf(stander.id), FLOWS_MAX]);
      return parseCrowd((answer as (string | number)[]).map(Number));
    },
    sizes: async (model) => {
      const [waiting, running] = (await sizes([space.lines(model)], [])) as [(string | number)[], string[]];
      return parseSizes(waiting, running);
    },
  };
}

/** Of one line and flow each, and together no more than a step. */
function chunks(standings: readonly LineStanding[]): LineStanding[][][] {
  const groups = [...Map.groupBy(standings, (one) => `${lineOf(one)}:${flowOf(one)}`).values()];
  const all: LineStanding[][][] = [];
  let room = 0;
  for (const group of groups) {
    for (let at = 0; at < group.length; ) {
      if (room === 0) {
        all.push([]);
        room = STEP;
      }
      const some = group.slice(at, at + room);
      all.at(-1)?.push(some);
      room -= some.length;
      at += some.length;
    }
  }
  return all;
}

function formatGroup(group: LineStanding[], shareText: (stander: Stander) => string): (string | number)[] {
  const [first] = group;
  if (!first) return [];
  const jobs = group.flatMap((one) => [lineScore(one), nameOf(one.id)]);
  return [lineOf(first), flowOf(first), shareText(first), group.length, ...jobs];
}

/** Nothing for what everybody has. */
function formatShare({ weight, concurrency = 0, startsPerMinute = 0 }: Share, key: Bounds): string {
  const all = [weight, concurrency, startsPerMinute, key.concurrency ?? 0, key.startsPerMinute ?? 0];
  return all.some((value, n) => value !== (n ? 0 : 1)) ? all.join(':') : '';
}

function lineOf({ channels }: LineStanding): string {
  return channels.join(',');
}

/** No tenant's name holds a `~`. */
function flowOf({ tenant, key }: Stander): string {
  return key === undefined ? tenant : `${tenant}~${key}`;
}

function parseFlow(flow: string): Pick<LineTurn, 'tenant' | 'key'> {
  const at = flow.indexOf('~');
  return at < 0 ? { tenant: flow } : { tenant: flow.slice(0, at), key: flow.slice(at + 1) };
}

/** @param waiting flow, jobs … @param running tenant or flow of a key, jobs …: what a key runs is among what its tenant runs */
function parseSizes(waiting: readonly (string | number)[], running: readonly string[]): TenantSize[] {
  const all = new Map<string, TenantSize>();
  for (let n = 0; n < waiting.length; n += 2) {
    for (const size of sizesOf(all, String(waiting[n]))) size.waiting += Number(waiting[n + 1]);
  }
  for (let n = 0; n < running.length; n += 2) {
    const size = sizesOf(all, String(running[n])).at(-1);
    if (size) size.running += Number(running[n + 1]);
  }
  return [...all.values()];
}

/** The tenant's, and behind it the key's where the flow is one of a key. */
function sizesOf(all: Map<string, TenantSize>, flow: string): LineSize[] {
  const { tenant, key } = parseFlow(flow);
  const own = all.get(tenant) ?? { tenant, waiting: 0, running: 0 };
  all.set(tenant, own);
  if (key === undefined) return [own];
  own.keys ??= {};
  own.keys[key] ??= { waiting: 0, running: 0 };
  return [own, own.keys[key]];
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const SORTED = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';
const TO_SORTED = tableOf(BASE64, SORTED);
const TO_BASE64 = tableOf(SORTED, BASE64);

/**
 * An id that was made here takes 23 bytes in place of 36; no caller's id begins like it. Its digits are in the order of
 * their characters, so that of two jobs with one place the elder goes first.
 */
function nameOf(id: string): string {
  if (!isGeneratedJobId(id)) return id;
  return `~${translate(Buffer.from(id.slice(4), 'hex').toString('base64url'), TO_SORTED)}`;
}

function parseName(name: string): string {
  if (!name.startsWith('~')) return name;
  return `job_${Buffer.from(translate(name.slice(1), TO_BASE64), 'base64url').toString('hex')}`;
}

/** Byte for byte: for each character of a job that comes, a search of its own took more than all the rest. */
function translate(text: string, table: Uint8Array): string {
  return Buffer.from(Buffer.from(text, 'latin1').map((byte) => table[byte] ?? byte)).toString('latin1');
}

function tableOf(from: string, to: string): Uint8Array {
  const table = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  for (const [n, character] of Array.from(from).entries()) table[character.charCodeAt(0)] = to.charCodeAt(n);
  return table;
}

function parseCrowd(numbers: number[]): Crowd | undefined {
  const [before, pass = 0, weight = 1, virtual = 0, waitMs = 0, count = 0, spanMs = 0, ...rest] = numbers;
  if (before === undefined) return undefined;
  const others: Flow[] = [];
  for (let n = 0; n < rest.length; n += 3)
    others.push({ pass: rest[n] ?? 0, weight: rest[n + 1] ?? 1, waiting: rest[n + 2] ?? 0 });
  return { before, own: { pass, weight }, others, virtual, waitMs, started: { count, spanMs } };
}
