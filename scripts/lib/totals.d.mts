export type Totals = { passed: number; failed: number; skipped: number };

/** Reads the report of the test runner, as far as it got. */
export function countTests(report: object | undefined, succeeded: boolean): Totals;
export function closingLine(totals: Totals): string;
