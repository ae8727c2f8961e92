/** What the checksum of one large upload costs: native CRC32C beside the GCS client's own. */

import { startGcsEmulator } from '../support/gcs-emulator/index.ts';
import { type Figure, figure } from './figure.ts';
import type { BenchOptions } from './main.ts';
import { alternate, median } from './parts/sample.ts';
import { openStand } from './parts/stand.ts';

export async function* gcsChecksum({ quick }: BenchOptions): AsyncGenerator<Figure> {
  await using stand = await openStand();
  await using emulator = await startGcsEmulator({ buckets: ['bench'] });
  const uploader = stand.start('../baselines/gcs-put.ts', 'gcs-put', { GCS_URL: emulator.url });
  await uploader.printed(/ready/);
  const product = () => uploader.ask<number>({ ask: 'put', with: 'native' });
  const baseline = () => uploader.ask<number>({ ask: 'put', with: 'default' });
  await product();
  await baseline();
  const taken = await alternate(quick ? 3 : 5, { product, baseline });
  yield figure('attempt.gcs_crc', 'ms', { value: median(taken.product), baseline: median(taken.baseline) });
}
