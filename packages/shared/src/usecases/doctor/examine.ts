import type { DoctorView } from '../../schemas/doctor.ts';
import type { Check, Finding, Found } from './finding.ts';
import { problem } from './finding.ts';

const CHECK_MS = 10_000;

/** Runs all checks side by side. Never throws, and is over soon after `timeoutMs`. Findings come in the order of the checks. */
export async function examine(checks: readonly Check[], { timeoutMs = CHECK_MS } = {}): Promise<DoctorView> {
  const found = await Promise.all(checks.map((check) => runCheck(check, timeoutMs)));
  const findings = found.flat();
  const has = (level: Finding['level']) => findings.some((finding) => finding.level === level);
  return { status: has('problem') ? 'problem' : has('warning') ? 'warning' : 'ok', findings };
}

async function runCheck(check: Check, timeoutMs: number): Promise<Finding[]> {
  const { group, name } = check;
  const limit = new AbortController();
  const { promise: late, resolve } = Promise.withResolvers<readonly Found[]>();
  const timer = setTimeout(() => {
    limit.abort();
    resolve([problem(`no answer within ${timeoutMs / 1_000} s`, 'see that it is reachable from this machine')]);
  }, timeoutMs);
  try {
    const found = await Promise.race([check.run(limit.signal), late]);
    return found.map((one) => ({ group, name, ...one, what: oneLine(one.what) }));
  } catch (error) {
    return [{ group, name, ...problem(oneLine(error instanceof Error ? error.message : String(error))) }];
  } finally {
    clearTimeout(timer);
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 400);
}
