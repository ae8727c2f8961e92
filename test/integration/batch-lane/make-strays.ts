/** How batches come about beside the one that a chunk knows of. Each ends as its test says. */

import { HOUR, MINUTE } from '@darkroom/shared/testing/factories';
import { collectOnce } from '../../../apps/worker/src/batch/lane.ts';
import type { Account } from './account.ts';
import type { TestLane } from './lane.ts';

/** Batches go on though they were to be canceled. */
export function letRun({ channel, calls }: Account): void {
  channel.cancel = async (name) => {
    calls.push(`cancel ${name}`);
    return { type: 'done' };
  };
}

/**
 * A chunk of jobs whose create answer is lost, and whose batch lists hide until it is given up and closed.
 *
 * @returns the keys of its lines: the provider's file of them is gone by then
 */
export async function lose(lane: TestLane, count: number, request: object = {}): Promise<string[]> {
  const { account } = lane;
  account.creates = ['lost'];
  account.lagMs = 1_000 * HOUR;
  await lane.submit(count, { request, state: { expiresAt: lane.test.clock.now() + 100 * HOUR } });
  await lane.send();
  const keys = account.keys();
  // Behind its own end a chunk is not made again.
  lane.test.clock.advance(20 * HOUR);
  for (let n = 0; n < 100 && (await lane.chunk()).state === 'creating'; n++) {
    lane.test.clock.advance(5 * MINUTE);
    await lane.poller.once();
  }
  await collectOnce(lane.deps);
  const { state, end } = await lane.chunk();
  if (state !== 'closed' || end?.type !== 'lost') throw new Error(`the chunk is ${state}, by ${end?.type}`);
  account.creates = [];
  return keys;
}

/**
 * A chunk of jobs that two batches were made of: `batches/b1` is kept, `batches/b2` is a stray.
 *
 * @param stops how soon the provider does what it is asked to: at once, or not before it is done
 * @returns the keys of their lines
 */
export async function makeTwo(lane: TestLane, count: number, stops: 'at once' | 'late' = 'late'): Promise<string[]> {
  const { account } = lane;
  if (stops === 'late') letRun(account);
  account.creates = ['lost'];
  account.lagMs = 30 * MINUTE;
  await lane.submit(count);
  await lane.send();
  const keys = account.keys();
  for (let minute = 0; minute < 12; minute++) await lane.poll();
  account.lagMs = 0;
  await lane.poll();
  if (account.made !== 2) throw new Error(`${account.made} batches were made`);
  return keys;
}
