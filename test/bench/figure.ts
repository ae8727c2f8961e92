/** What a bench prints: one measured figure beside its baseline of the same run. */

export type Figure = {
  /** `group.what`; the group is what `--only` picks. */
  name: string;
  value: number;
  unit: string;
  /** The same, measured on the bare thing; null where there is none. */
  baseline: number | null;
  /** `value / baseline`. */
  ratio: number | null;
  /** What is aimed at, in words such as `ratio >= 1`; null for a figure that only informs. */
  goal: string | null;
  met: boolean | null;
};

/** `of` says whether the goal is about the value or about the ratio. */
export type Goal = { of: 'value' | 'ratio'; is: '<=' | '>=' | '<'; than: number };

export function figure(
  name: string,
  unit: string,
  measured: { value: number; baseline?: number },
  goal?: Goal,
): Figure {
  const { value, baseline } = measured;
  const ratio = baseline === undefined ? undefined : value / baseline;
  return {
    name,
    value: rounded(value),
    unit,
    baseline: baseline === undefined ? null : rounded(baseline),
    ratio: ratio === undefined ? null : rounded(ratio),
    goal: goal ? `${goal.of} ${goal.is} ${goal.than}` : null,
    met: goal ? isMet(goal, goal.of === 'ratio' ? ratio : value) : null,
  };
}

function isMet({ is, than }: Goal, measured: number | undefined): boolean {
  if (measured === undefined) return false;
  if (is === '<') return measured < than;
  return is === '<=' ? measured <= than : measured >= than;
}

/** Three digits that mean something. */
function rounded(value: number): number {
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(3));
}

const WIDTHS = [34, 10, 6, 10, 7, 16];

/** The heading of the lines of `toLine`. */
export function heading(): string {
  return columns(['figure', 'value', 'unit', 'baseline', 'ratio', 'goal', '']);
}

export function toLine({ name, value, unit, baseline, ratio, goal, met }: Figure): string {
  const verdict = met === null ? '' : met ? 'met' : 'MISSED';
  return columns([name, String(value), unit, String(baseline ?? '-'), String(ratio ?? '-'), goal ?? '-', verdict]);
}

function columns(texts: string[]): string {
  return texts
    .map((text, i) => text.padEnd(WIDTHS[i] ?? 0))
    .join(' ')
    .trimEnd();
}
