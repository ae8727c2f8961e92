/** Watches a batch to its end. */

import { progress } from '@clack/prompts';
import type { BatchView } from '@darkroom/shared/schemas';
import type { Context } from './context.ts';
import { EXIT } from './exit.ts';
import { describeBatch, doneOf } from './words.ts';

/** A bar on a terminal, a JSON line for each change otherwise. @returns the exit code */
export async function follow(context: Context, id: string): Promise<number> {
  const { client, live, signal, print } = context;
  const show = live ? bar() : print;
  let last: BatchView | undefined;
  for await (const view of client.watchBatch(id, { signal })) {
    show(view);
    last = view;
  }
  return last && last.counts.total === last.counts.succeeded ? EXIT.ok : EXIT.partial;
}

function bar(): (view: BatchView) => void {
  let done = 0;
  let shown: ReturnType<typeof progress> | undefined;
  return (view) => {
    if (!shown) {
      shown = progress({ max: Math.max(1, view.counts.total), size: 32 });
      shown.start(describeBatch(view));
    }
    shown.advance(doneOf(view) - done, describeBatch(view));
    done = doneOf(view);
    if (view.status === 'completed' || view.status === 'canceled' || view.status === 'expired') {
      shown.stop(describeBatch(view));
    }
  };
}
