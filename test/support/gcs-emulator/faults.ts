/** What can go wrong with a request, on demand. */

/**
 * One fault, for the next request that matches `on` (by default the next request).
 *
 * `status` = an error answer, nothing done. `reset` = the connection breaks, nothing done. `reset_after_commit` = the request is
 * carried out and its answer is lost. `cut` = the connection breaks after `afterBytes` of the request's body. `hang` = no
 * answer. `garble` = one byte of the answer's body is another.
 */
export type Fault = { on?: (request: { method: string; path: string }) => boolean } & (
  | { type: 'status'; status: number }
  | { type: 'reset' | 'reset_after_commit' | 'hang' | 'garble' }
  | { type: 'cut'; afterBytes: number }
);

/** Takes the first fault that matches out of the queue. */
export function takeFault(faults: Fault[], request: { method: string; path: string }): Fault | undefined {
  const at = faults.findIndex(({ on }) => on?.(request) ?? true);
  return at === -1 ? undefined : faults.splice(at, 1)[0];
}
