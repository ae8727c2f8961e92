/** An alert in a sentence, for whoever is woken by it. */

import type { AlertFigure, AlertName, AlertNote } from './alert.ts';

type Words = (figure: AlertFigure, where: string) => string;

const FIGURES: Record<Exclude<AlertName, 'model_retirement' | 'breaker' | 'quota_parked'>, Words> = {
  error_rate: ({ value, threshold }, where) =>
    `${percent(value)} of the calls${where} failed; ${percent(threshold)} may`,
  latency_p99: ({ value, threshold }, where) =>
    `one call in a hundred${where} took ${value} s or more; ${threshold} s is the most it should`,
  failovers: ({ value, threshold }) =>
    `${value} fail-overs within an hour: provider batches given up for the standard lane, and channels whose failed calls another took over; ${threshold} may be`,
  queue_age: ({ value, threshold }) =>
    `the oldest job that should be running has waited for ${value} s; ${threshold} s is the most it should`,
  money_in_doubt: ({ value, threshold }) => `${usd(value)} went into doubt within an hour; ${usd(threshold)} may`,
};

/** @param isOver it was told that it is over */
export function describeAlert(note: AlertNote, isOver: boolean): string {
  const { alert, channel, model } = note;
  const where = `${model ? ` to ${model}` : ''}${channel ? ` through ${channel}` : ''}`;
  if (alert === 'breaker') return `Calls${where} ${standingWords(note, isOver)}: ${note.why}.`;
  const { value = 0, threshold = 0 } = note;
  if (alert === 'model_retirement') return describeRetirement(note, value);
  if (alert === 'quota_parked') return `No call${where} is made for ${spanWords(value)}: ${note.why}.`;
  const state = isOver ? 'Over' : note.again ? 'Still' : 'Now';
  return `${state}: ${FIGURES[alert]({ value, threshold }, where)}.`;
}

function describeRetirement({ model, retiresOn, successor }: AlertNote, value: number): string {
  const when =
    value > 0 ? `ends on ${retiresOn}, in ${value} day${value === 1 ? '' : 's'}` : `was to end on ${retiresOn}`;
  return `${model} is in use and ${when}.${successor ? ` Move to ${successor}.` : ''}`;
}

function standingWords({ breaker }: AlertNote, isOver: boolean): string {
  if (isOver) return 'are made as ever';
  return breaker === 'closed' ? 'fail often' : 'are held back';
}

function spanWords(seconds: number): string {
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10} %`;
}

function usd(dollars: number): string {
  return `$${dollars.toFixed(2)}`;
}
