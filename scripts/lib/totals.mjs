/** The outcome of a test run in one line. */

/**
 * @param {object | undefined} report what the runner's JSON reporter wrote, if it got that far
 * @param {boolean} succeeded whether the runner itself was content: it also fails for a file that could not be
 *   loaded and for an error outside of every test, which no test counts
 */
export function countTests(report, succeeded) {
  const { numPassedTests: passed = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 } = report ?? {};
  const failed = succeeded ? numFailedTests : Math.max(1, numFailedTests);
  return { passed, failed, skipped: numPendingTests + numTodoTests };
}

export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
