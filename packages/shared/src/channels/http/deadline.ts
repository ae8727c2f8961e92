/**
 * A timeout that throws no paid answer away.
 *
 * After a stall of the event loop timers fire before sockets are read, so an answer may lie in the socket when time is
 * up. Therefore the timeout only begins a wait of one more turn; while bytes flow, turn follows turn, up to a cap.
 */

const TURN_MS = 1_500;
/** How long past the timeout an answer may keep flowing: less than a lease outlives the timeout. */
const FLOW_MS = 45_000;

/**
 * Calls `expire` once time is up and nothing comes any more. Disposing disarms it.
 *
 * @param received counts what has arrived; any change within a turn is a sign of life
 */
export function startDeadline(options: { timeoutMs: number; received: () => number; expire: () => void }): Disposable {
  const { timeoutMs, received, expire } = options;
  let timer = setTimeout(() => wait(performance.now() + FLOW_MS), timeoutMs);
  let turn: NodeJS.Immediate | undefined;

  function wait(end: number): void {
    const before = received();
    // The immediate comes after sockets were read, so a second stall during the turn does no harm either.
    timer = setTimeout(() => {
      turn = setImmediate(() => judge(before, end));
    }, TURN_MS);
  }

  function judge(before: number, end: number): void {
    if (received() !== before && performance.now() < end) wait(end);
    else expire();
  }

  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      clearImmediate(turn);
    },
  };
}
