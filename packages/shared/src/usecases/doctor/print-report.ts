import type { DoctorView } from '../../schemas/doctor.ts';

/** The findings as text, grouped and aligned, readable without colour; ends in a line break. */
export function printReport({ findings }: DoctorView): string {
  const groups = Map.groupBy(findings, ({ group }) => group);
  const width = Math.max(0, ...findings.map(({ name }) => name.length));
  const indent = ' '.repeat(width + 13);
  const lines = [...groups].flatMap(([group, members]) => [
    group,
    ...members.flatMap(({ level, name, what, fix }) => [
      `  ${level.padEnd(7)}  ${name.padEnd(width)}  ${what}`,
      ...(fix ? [`${indent}→ ${fix}`] : []),
    ]),
    '',
  ]);
  const count = (level: string) => findings.filter((finding) => finding.level === level).length;
  const tally = [plural(count('problem'), 'problem'), plural(count('warning'), 'warning'), `${count('ok')} ok`];
  return `${[...lines, tally.join(', ')].join('\n')}\n`;
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
