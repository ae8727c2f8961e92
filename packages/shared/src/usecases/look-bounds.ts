/** What bounds a caller itself, and what of it waits and runs, as the API tells it. */

import type { ChannelSpec, Tenant } from '../domain/index.ts';
import type { Bounds, KeyBounds, LineSize, Lines, Share } from '../ports/index.ts';
import type { OwnLimits } from '../schemas/index.ts';
import { placesOf } from './look-channels.ts';

/** A caller with what the configuration says of it. */
export type Bounded = { tenant: Tenant; share: Share; key: { id: string; bounds: KeyBounds } };

/** Whether what a key may have of the calls is bounded: only then do its jobs stand in line by themselves. */
export function isBounded({ concurrency, startsPerMinute }: Bounds): boolean {
  return concurrency !== undefined || startsPerMinute !== undefined;
}

/** Of every model that is configured. */
export async function lookAtBounds(
  { lines }: { lines: Pick<Lines, 'sizes'> },
  specs: readonly ChannelSpec[],
  { tenant, share, key: { id, bounds } }: Bounded,
): Promise<OwnLimits> {
  const models = [...new Set(placesOf(specs).map(({ model }) => model))];
  const looked = await Promise.all(
    models.map(async (model) => ({ model, own: (await lines.sizes(model)).find((size) => size.tenant === tenant) })),
  );
  return {
    tenant: {
      name: tenant,
      weight: share.weight,
      ...presentBounds(share),
      models: looked.flatMap(({ model, own }) => presentSize(model, own)),
    },
    ...(Object.keys(bounds).length > 0 && {
      key: {
        id,
        ...presentBounds(bounds),
        ...(isBounded(bounds) && { models: looked.flatMap(({ model, own }) => presentSize(model, own?.keys?.[id])) }),
      },
    }),
  };
}

type BoundsView = Pick<NonNullable<OwnLimits['key']>, 'concurrency' | 'starts_per_minute' | 'submissions_per_minute'>;

function presentBounds({ concurrency, startsPerMinute, submissionsPerMinute }: KeyBounds): BoundsView {
  return {
    ...(concurrency !== undefined && { concurrency }),
    ...(startsPerMinute !== undefined && { starts_per_minute: startsPerMinute }),
    ...(submissionsPerMinute !== undefined && { submissions_per_minute: submissionsPerMinute }),
  };
}

/** Nothing of a model for which nothing waits or runs. */
function presentSize(model: string, size: LineSize | undefined): OwnLimits['tenant']['models'] {
  if (!size || size.waiting + size.running === 0) return [];
  return [{ model, waiting: size.waiting, running: size.running }];
}
