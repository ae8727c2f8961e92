/** What every object store promises, as a suite that runs against each adapter and against any endpoint. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { createKit, type StoreUnderTest } from './object-store/kit.ts';
import { readingContract } from './object-store/reading.ts';
import { signingContract } from './object-store/signing.ts';
import { troubleContract } from './object-store/trouble.ts';
import { writingContract } from './object-store/writing.ts';

export type { StoreUnderTest } from './object-store/kit.ts';

/** Runs the contract against the store that `open` yields. */
export function objectStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`object store: ${name}`, () => {
    let world: StoreUnderTest;
    let folder: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'object-store-'));
      world = await open();
    });
    afterAll(async () => {
      await world?.close();
      await rm(folder, { recursive: true, force: true });
    });

    const kit = createKit(
      () => world,
      () => folder,
    );
    writingContract(kit);
    readingContract(kit);
    signingContract(kit);
    troubleContract(kit);
  });
}
