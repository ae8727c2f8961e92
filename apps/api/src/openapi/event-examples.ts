/** The two kinds of event that have one type, as they are told. */

import type { EventView } from '@darkroom/shared/schemas';

const MODEL = 'gemini-3-pro-image';
const JOB = 'job_01a1fed9b20a7c3e9d417be2f60c5a18';
const AT = '2026-11-21T16:04:08.893Z';

const ofChannel: EventView = {
  id: 'evt_01a1fed9cc3d7000800000b8e5bae83e',
  type: 'quota.parked',
  timestamp: AT,
  data: {
    alert: 'quota_parked',
    channel: 'gemini-main',
    model: MODEL,
    value: 57_354,
    threshold: 60,
    unit: 'seconds',
    since: '2026-11-21T16:04:08.887Z',
    reminder: false,
    message: `No call to ${MODEL} through gemini-main is made for 16 h: its calls of the day are used.`,
    why: 'its calls of the day are used',
    until: '2026-11-22T08:00:03.000Z',
  },
};

const ofJob: EventView = {
  id: 'evt_01a1fed9cd207000800000b9e5bae83e',
  type: 'quota.parked',
  timestamp: '2026-11-21T16:04:09.120Z',
  data: {
    id: JOB,
    status: 'queued',
    phase: 'parked',
    lane: 'standard',
    model: MODEL,
    size: '1K',
    created_at: '2026-11-21T16:04:09.002Z',
    cost: { currency: 'USD', estimated: '0.167012', reserved: '0.00', actual: '0.00', in_doubt: '0.00' },
    tags: ['summer'],
    metadata: { sku: '123' },
    images: [],
    urls: {
      self: `/v1/jobs/${JOB}`,
      events: `/v1/jobs/${JOB}/events`,
      cancel: `/v1/jobs/${JOB}/cancel`,
      images: `/v1/jobs/${JOB}/images`,
    },
  },
};

export const EVENT_EXAMPLES = {
  list: { data: [ofJob, ofChannel], has_more: false },
  /** By the name that each is shown under. */
  each: {
    parked_channel: { summary: 'A limit keeps everybody away from a channel: `data.alert` is there', value: ofChannel },
    parked_job: { summary: 'A job waits for a limit of the day: `data.id` is there', value: ofJob },
  },
};
