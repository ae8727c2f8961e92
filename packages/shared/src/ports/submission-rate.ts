/** How often a key may submit: counted over all processes of the API, in any sixty seconds. */
export type SubmissionRate = {
  /** Counts one more unless that is too many; sent twice it may count twice, and never too few. */
  take(key: string, perMinute: number): Promise<SubmissionLeave>;
};

/** `remaining`: submissions left now; `resetMs`: when there is room again, or when the oldest ones are forgotten. */
export type SubmissionLeave = { granted: boolean; remaining: number; resetMs: number };
