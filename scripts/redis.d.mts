/// <reference lib="esnext.disposable" />

/** Where a private Redis keeps what it needs, or which given one to use. */
export type RedisOptions = {
  /** A server that is there already; nothing is started then. */
  url?: string | undefined;
  /** The data folder; Redis takes `redis/` in it. */
  dataDir: string;
  /** Where a downloaded Redis is kept for the next time. */
  cacheDir: string;
  /** Default: `redis.log` beside the data. */
  logFile?: string;
  /** As Redis writes it, such as `512mb`. Default: 2 GiB, at most half of the machine. */
  maxMemory?: string;
  /** How long the server outlives a launcher that was killed. Default: not at all. */
  orphanMs?: number;
  /** One human line for each warning or slow step. */
  say?: (line: string) => void;
};

/** A private server: what a caller that restarts it, or kills it on purpose, needs. */
export type OwnRedis = {
  readonly pid: number;
  /** Resolves with how the server ended, in words; a new promise after each `restart`. */
  readonly exited: Promise<string>;
  /** SIGKILL; resolves when it is gone. */
  kill: () => Promise<void>;
  /** Starts it again after its end, at the same url and on the same data. @throws when it does not come up */
  restart: () => Promise<void>;
};

export type BroughtRedis = AsyncDisposable & {
  url: string;
  /** Where it came from, for people. */
  how: string;
  /** Undefined when the server was given by its url. */
  own: OwnRedis | undefined;
  /** Ends a private server in peace, or at once when `hurry` is aborted; a given one is left alone. */
  stop: (hurry?: AbortSignal) => Promise<void>;
};

/** A Redis that answers, at `url` or as a private child. @throws one message with what to do */
export function bringRedis(options: RedisOptions): Promise<BroughtRedis>;
