/** What every channel promises, as a suite that runs against each kind of adapter and any provider that can be told what to do. */

import { afterAll, beforeAll, describe } from 'vitest';
import { callingContract } from './channel/calling.ts';
import { judgingContract } from './channel/judging.ts';
import { type ChannelUnderTest, createKit } from './channel/kit.ts';
import { lookingContract } from './channel/looking.ts';
import { troubleContract } from './channel/trouble.ts';

export { type ChannelUnderTest, TROUBLES, type Trouble } from './channel/kit.ts';

/** Runs the contract against the channels that `open` yields. */
export function channelContract(name: string, open: () => Promise<ChannelUnderTest>): void {
  describe(`channel: ${name}`, () => {
    let world: ChannelUnderTest;

    beforeAll(async () => {
      world = await open();
    });
    afterAll(async () => {
      await world?.close();
    });

    const kit = createKit(() => world);
    callingContract(kit);
    troubleContract(kit);
    judgingContract(kit);
    lookingContract(kit);
  });
}
