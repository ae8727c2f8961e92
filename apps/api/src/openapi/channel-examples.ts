/** What the routes of channels answer in an installation with two of them, the second of which is not well. */

import { AppError } from '@darkroom/shared/domain';
import type {
  ChannelView,
  DoctorView,
  LimitList,
  ModelView,
  PlaceView,
  Problem,
  ResumedModel,
} from '@darkroom/shared/schemas';
import { toProblem } from '../http/problem.ts';

const PRO = 'gemini-3-pro-image';
const REQUEST = 'req_0198b2f14c6a4f8e9d3b7c5a1e2f6d40';
const PROBE_AT = '2026-11-21T15:30:42.000Z';

const everything = {
  references: 14,
  thinking: true,
  seed: true,
  safety: true,
  signatures: true,
  sizes: ['1K', '2K', '4K'],
  aspect_ratios: ['1:1', '2:3', '3:2', '3:4', '4:3', '4:5', '5:4', '9:16', '16:9', '21:9'],
  mimes: ['image/png', 'image/jpeg', 'image/webp'],
  tools: ['google_search'],
};

const mainWindows: PlaceView['windows'] = [
  { window: 'requests', used: 412, limit: 600 },
  { window: 'day', used: 7_310, limit: 10_000 },
  { window: 'concurrency', used: 18, limit: 20 },
];

/** What a key with the scope admin sees besides. */
const spent: PlaceView['windows'][number] = { window: 'spend', used: '21.314468', limit: '50.00' };

const main: ChannelView = {
  id: 'gemini-main',
  kind: 'gemini',
  order: 1,
  weight: 1,
  lanes: ['standard', 'batch'],
  trust: { references: true, cost: false },
  health: 'available',
  models: [
    {
      model: PRO,
      provider_model: PRO,
      health: 'available',
      breaker: { state: 'closed' },
      windows: [...mainWindows, spent],
      calls: 3_980,
      error_rate: 0.012,
      ends: {
        ok: { calls: 3_902, rate: 0.98 },
        blocked: { calls: 31, rate: 0.008 },
        overloaded: { calls: 47, rate: 0.012 },
      },
      p50_ms: 9_200,
      p95_ms: 17_400,
      prices: {
        standard: { '1K': '0.1344', '2K': '0.1344', '4K': '0.24' },
        batch: { '1K': '0.0672', '2K': '0.0672', '4K': '0.12' },
      },
      capabilities: everything,
    },
  ],
};

const atRelay: Omit<PlaceView, 'health'> = {
  model: PRO,
  provider_model: 'nano-banana-pro',
  breaker: { state: 'open', probe_at: PROBE_AT },
  windows: [
    {
      window: 'requests',
      used: 40,
      limit: 40,
      learnt: { limit: 40, until: '2026-11-21T16:12:08.000Z' },
      free_at: '2026-11-21T15:30:31.000Z',
    },
  ],
  calls: 64,
  error_rate: 0.109,
  ends: {
    ok: { calls: 55, rate: 0.859 },
    limited: { calls: 2, rate: 0.031 },
    unavailable: { calls: 7, rate: 0.109 },
  },
  p50_ms: 11_800,
  p95_ms: 24_600,
  prices: { standard: { '1K': '0.09', '2K': '0.09' } },
  capabilities: {
    ...everything,
    references: 3,
    thinking: false,
    seed: false,
    safety: false,
    signatures: false,
    sizes: ['1K', '2K'],
    aspect_ratios: ['1:1', '2:3', '3:2'],
    mimes: ['image/png', 'image/jpeg'],
    tools: [],
  },
};

const relay: ChannelView = {
  id: 'relay',
  kind: 'openai',
  order: 2,
  weight: 1,
  lanes: ['standard'],
  trust: { references: false, cost: false },
  health: 'broken',
  models: [{ ...atRelay, health: 'broken', until: PROBE_AT }],
};

const pro: ModelView = {
  id: PRO,
  name: 'Nano Banana Pro',
  aliases: ['pro', 'nano-banana-pro'],
  status: 'available',
  sizes: everything.sizes,
  default_size: '1K',
  aspect_ratios: everything.aspect_ratios,
  references: { max: 14, by_role: { object: 6, character: 5 } },
  thinking: ['low', 'high'],
  tools: everything.tools,
  lanes: ['standard', 'batch'],
  prices: {
    standard: { '1K': '0.09', '2K': '0.09', '4K': '0.24' },
    batch: { '1K': '0.0672', '2K': '0.0672', '4K': '0.12' },
  },
  health: 'available',
  channels: [
    { channel: 'gemini-main', health: 'available' },
    { channel: 'relay', health: 'broken', until: PROBE_AT },
  ],
};

const doctor: DoctorView = {
  status: 'problem',
  findings: [
    { group: 'Redis', name: 'server', level: 'ok', what: '7.4.1, appendonly, noeviction' },
    { group: 'Redis', name: 'latency', level: 'ok', what: '0.4 ms a call' },
    { group: 'Channel gemini-main (gemini)', name: 'credentials', level: 'ok', what: 'accepted' },
    {
      group: 'Channel relay (openai)',
      name: 'credentials',
      level: 'problem',
      what: 'refused (401): the key is not valid',
      fix: 'put a valid key where channel relay names one',
    },
  ],
};

function held(override: 'open' | 'drain'): ChannelView {
  return { ...relay, override, health: 'out', models: [{ ...atRelay, health: 'out' }] };
}

/** As a key without the scope admin sees it: what all tenants have spent is not told. */
const limits: LimitList = {
  data: [
    { channel: 'gemini-main', model: PRO, windows: mainWindows },
    {
      channel: 'relay',
      model: PRO,
      reason: 'parked',
      until: '2026-11-22T08:00:00.000Z',
      why: "the day's limit: unnamed",
      windows: [
        { window: 'requests', used: 12, limit: 40 },
        { window: 'day', used: 500, limit: 500, free_at: '2026-11-22T08:00:00.000Z' },
      ],
    },
  ],
  own: {
    tenant: { name: 'acme', weight: 2, concurrency: 20, models: [{ model: PRO, waiting: 140, running: 18 }] },
    key: {
      id: 'key_5f0c1e9a7b3d2468',
      concurrency: 5,
      submissions_per_minute: 300,
      models: [{ model: PRO, waiting: 31, running: 5 }],
    },
  },
};

const resumed: ResumedModel = { model: PRO, resumed: true, woken: 12 };

const problem = (...error: ConstructorParameters<typeof AppError>): Problem =>
  toProblem(new AppError(...error), REQUEST);

export const CHANNEL_EXAMPLES = {
  channels: { data: [main, relay] },
  channel: main,
  opened: held('open'),
  drained: held('drain'),
  models: { data: [pro] },
  limits,
  doctor,
  resumed,
};

/** Refusals by name, made as the routes make them. */
export const CHANNEL_PROBLEMS = {
  noChannel: problem('not_found', {
    message: 'There is no channel gemini-mian; did you mean gemini-main?',
    param: 'id',
    fix: 'GET /v1/channels lists all of them.',
  }),
  noModel: problem('not_found', {
    message: 'There is no such model.',
    param: 'model',
    fix: 'See GET /v1/models for all of them.',
  }),
  noAdmin: problem('forbidden', { message: 'The API key lacks the scope admin.', fix: 'Use a key that has it.' }),
};
