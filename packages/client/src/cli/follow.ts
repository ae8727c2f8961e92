/** Watches a batch to its end. */

import type { BatchView } from '@darkroom/shared/schemas';
import type { Context } from './context.ts';
import { EXIT, Exit } from './exit.ts';
import { describeBatch, describeProgress, doneOf } from './words.ts';

/**
 * A bar on a terminal, a JSON line for each row that ends otherwise.
 *
 * @returns the exit code. @throws Exit when it is interrupted, or the batch waits for somebody: it would do so for ever
 */
export async function follow(context: Context, id: string): Promise<number> {
  const { client, live, signal } = context;
  const show = live ? bar(context) : lines(context.print);
  let last: BatchView | undefined;
  try {
    for await (const view of client.watchBatch(id, { signal })) {
      show(view);
      last = view;
      if (view.status === 'paused' && view.paused_by !== 'caller') throw new Exit(EXIT.partial, whyPaused(view));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    context.draw('');
    throw new Exit(EXIT.interrupted, `The batch goes on; see it with \`darkroom status ${id} --watch\`.`);
  }
  return last ? exitOf(last) : EXIT.partial;
}

/** Of the rows that were submitted: who says `--on-invalid skip` wants the others to be enough. */
export function exitOf({ counts }: BatchView): number {
  return counts.total === counts.succeeded ? EXIT.ok : EXIT.partial;
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
const WIDTH = 24;

/** Drawn without a prompt library: those take Ctrl-C for themselves, and it is the command's to answer. */
function bar({ draw, say }: Context): (view: BatchView) => void {
  let halted = false;
  return (view) => {
    const { counts, status } = view;
    const full = Math.floor((WIDTH * doneOf(view)) / Math.max(1, counts.total));
    draw(`${'━'.repeat(full)}${'─'.repeat(WIDTH - full)}  ${describeProgress(view)}`);
    if (!OVER.has(status)) {
      halted = false;
    } else if (!halted) {
      halted = true;
      draw('');
      say(describeBatch(view));
      if (status === 'paused' && view.paused_by === 'caller')
        say(`Paused by its caller: it goes on after \`darkroom resume ${view.id}\`. Still watching …`);
    }
  };
}
