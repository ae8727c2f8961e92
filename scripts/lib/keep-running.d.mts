export type KeptProgram = {
  name: string;
  /** How the present process ended, in words. */
  exited: () => Promise<string>;
  restart: () => Promise<void>;
  lastWords: () => Promise<string>;
  say: (line: string) => void;
};

/** Starts a program again when it dies; the result ends that. */
export function keepRunning(program: KeptProgram): () => Promise<void>;
