/** Watches a batch to its end. */

import { progress } from '@clack/prompts';
import type { BatchView } from '@darkroom/shared/schemas';
import type { Context } from './context.ts';
import { EXIT, Exit } from './exit.ts';
import { describeBatch, describeProgress, doneOf } from './words.ts';

/**
 * A bar on a terminal, a JSON line for each row that ends otherwise.
 *
 * @returns the exit code. @throws Exit when the batch waits for somebody: it would do so for ever
 */
export async function follow(context: Context, id: string): Promise<number> {
  const { client, live, signal, print } = context;
  const show = live ? bar() : lines(print);
  let last: BatchView | undefined;
  for await (const view of client.watchBatch(id, { signal })) {
    show(view);
    last = view;
    if (view.status === 'paused' && view.paused_by !== 'caller') throw new Exit(EXIT.partial, whyPaused(view));
  }
  return last && last.counts.total === last.counts.succeeded ? EXIT.ok : EXIT.partial;
}

function whyPaused({ id, paused_by: by, canary, counts }: BatchView): string {
  const why =
    by === 'canary'
      ? `Paused: ${canary?.failed ?? counts.failed} of the first ${canary?.rows ?? 0} rows failed, and the rest is not paid for yet.`
      : 'Paused: max_cost is reached.';
  return `${why}\nLook with \`darkroom status ${id}\`, then \`darkroom resume ${id}\` or \`darkroom cancel ${id}\`.`;
}

/** Rate and ETA change all the time; a script wants to hear of rows. */
function lines(print: Context['print']): (view: BatchView) => void {
  let seen = '';
  return (view) => {
    const news = JSON.stringify([view.status, view.counts]);
    if (news !== seen) print(view);
    seen = news;
  };
}

const OVER: ReadonlySet<BatchView['status']> = new Set(['completed', 'canceled', 'expired', 'paused']);

function bar(): (view: BatchView) => void {
  let done = 0;
  let shown: ReturnType<typeof progress> | undefined;
  return (view) => {
    if (!shown) {
      shown = progress({ max: Math.max(1, view.counts.total), size: 24 });
      shown.start(describeProgress(view));
    }
    shown.advance(doneOf(view) - done, describeProgress(view));
    done = doneOf(view);
    if (OVER.has(view.status)) {
      shown.stop(describeBatch(view));
      shown = undefined;
    }
  };
}
