/** What the checks of the contract work with. */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Answer } from '../../domain/answer.ts';
import type { ServedModel } from '../../domain/channel.ts';
import { classify } from '../../domain/classify.ts';
import type { JobRequest, Micros } from '../../domain/job.ts';
import type { Verdict } from '../../domain/verdict.ts';
import type { CallOptions, Exchange, OpenChannel } from '../../ports/channel.ts';
import type { SpoolEntry } from '../../ports/spool.ts';
import { createFolderSpool } from '../../storage/spool/index.ts';
import { aRequest } from '../factories.ts';

/** What the provider can be told to do to the next call. */
export const TROUBLES = [
  /** The connection is reset: before anything was done, or once it was charged. */
  'reset',
  'reset_after_billing',
  /** No answer, ever. */
  'hang',
  /** The answer breaks off in the middle. */
  'cut',
  /** 503, in the provider's words; 500; 502 as a page; 503 without a body under a JSON type; 504 of its own deadline. */
  'overloaded',
  'internal',
  'html_error',
  'empty_error',
  'deadline',
  /** 429 of a minute's limit, which asks for 34 seconds where the provider tells such things. */
  'limit',
  /** The content is refused. */
  'blocked',
  /** A success without an image, for no good reason. */
  'no_image',
  /** A success that does not say what it took. */
  'no_usage',
] as const;
export type Trouble = (typeof TROUBLES)[number];

export type ChannelUnderTest = {
  /** Opens it; its credentials are good, and it is where the provider is, unless said otherwise. */
  open(how?: { credentials?: 'good' | 'refused'; at?: 'provider' | 'nowhere' }): OpenChannel;
  /** What is asked of it, where the default is nothing it can do. */
  request?: Partial<JobRequest> | undefined;
  /** The catalogue id of what it serves. */
  model: string;
  /** A catalogue id that it claims to serve under a name that the provider does not know. */
  unknownModel: string;
  /** One that it does not serve. */
  unservedModel: string;
  /** The credentials, also those that are refused: nothing may show them. */
  secrets: readonly string[];
  /** Does that to the next call. */
  strike(trouble: Trouble): void;
  /** What this provider cannot do: those checks are skipped. */
  cannot: readonly Trouble[];
  /** Calls for images that have arrived so far. */
  calls(): number;
  /** What all calls so far were charged. */
  charged(): Micros;
  /** What its answer says it cost is what it cost. */
  tellsCost: boolean;
  /** What it takes for an image, where that is not the catalogue's price. */
  price?: ServedModel['price'] | undefined;
  /** Its answers never say what they took: what a call cost is known but roughly. */
  guessesCost?: boolean | undefined;
  /** It says of a model that there is none; else all it says is that nobody can make it now, as relays do. */
  tellsUnknown: boolean;
  /** It has a list of all its models: a look tells what a call may not. */
  listsModels?: boolean | undefined;
  /** A refusal by a limit says when to come back. */
  tellsRetry: boolean;
  /** The body of the latest answer, as it was on the wire. */
  lastBody(): string;
  close(): Promise<void>;
};

export type Called = { end: Exchange; entry: SpoolEntry; calls: number; charged: Micros };

export type Kit = ReturnType<typeof createKit>;

export function createKit(world: () => ChannelUnderTest) {
  return {
    get world() {
      return world();
    },
    request: (more: Partial<JobRequest> = {}): JobRequest =>
      aRequest({ model: world().model, ...world().request, ...more }),

    /** One call through a channel of its own, with what it caused at the provider. */
    async call(
      channel: OpenChannel,
      { request, ...options }: Partial<CallOptions> & { request?: JobRequest },
      check: (called: Called, folder: string) => Promise<void> | void,
    ): Promise<void> {
      const folder = await mkdtemp(join(tmpdir(), 'channel-contract-'));
      await using cleanup = new AsyncDisposableStack();
      cleanup.defer(() => rm(folder, { recursive: true, force: true }));
      const spool = cleanup.use(createFolderSpool({ root: folder, owner: 'contract', clock: { now: Date.now } }));
      const entry = await spool.intend({ tenant: 't', job: 'j', attempt: 'att_1' });
      const before = { calls: world().calls(), charged: world().charged() };
      const end = await channel.call(request ?? aRequest({ model: world().model, ...world().request }), {
        entry,
        references: [],
        timeoutMs: 20_000,
        signal: new AbortController().signal,
        ...options,
      });
      const caused = { calls: world().calls() - before.calls, charged: world().charged() - before.charged };
      await check({ end, entry, ...caused }, folder);
    },

    /** A good channel, one call, closed again. */
    async once(
      options: Partial<CallOptions> & { request?: JobRequest },
      check: (called: Called, folder: string) => Promise<void> | void,
    ): Promise<void> {
      await using channel = world().open();
      await this.call(channel, options, check);
    },
  };
}

/** The answer of a call that has one. @throws Error with the reason when it has none */
export function answerOf({ end }: Pick<Called, 'end'>): Answer {
  if (end.type !== 'answered') throw new Error(`${end.type}: ${end.reason}`);
  return end.answer;
}

export function verdictOf(called: Pick<Called, 'end'>): Verdict {
  return classify(answerOf(called));
}

/** All that lies in a folder, as text. */
export async function textsIn(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return (await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'latin1')))).join('\n');
}
