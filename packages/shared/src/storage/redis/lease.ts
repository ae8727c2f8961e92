/** A minute for a call that is out, ten while its bytes are being stored: an upload's time must not age it. */
export function leaseTicks(tickMs: number, storing: boolean): number {
  return Math.ceil((storing ? 600_000 : 60_000) / tickMs);
}
