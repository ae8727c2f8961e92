/** Where time comes from. Milliseconds since the epoch; injected so that tests own it. */
export type Clock = { now(): number };

export const systemClock: Clock = { now: () => Date.now() };
