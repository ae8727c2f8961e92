/** The filter of a list of jobs: `state="JOB_STATE_RUNNING" AND display_name="night"`. */
import { GoogleError, invalidArgument } from '../../http/google-error.ts';
import { type Job, jobState } from './job.ts';

type Clause = (job: Job, now: number) => boolean;

const CLAUSE = /^\s*([a-zA-Z_.]+)\s*(!=|<=|>=|=|<|>|:)\s*(?:"([^"]*)"|(\S+))\s*$/;

const VALUES: Readonly<Record<string, (job: Job, now: number) => string>> = {
  display_name: ({ displayName }) => displayName,
  state: jobState,
  model_display_name: ({ model }) => model.displayName,
  create_time: ({ timeline }) => new Date(timeline.createdAt).toISOString(),
};

/** Whether a job passes; an empty filter lets all pass. @throws GoogleError 400 for one that is not understood */
export function readFilter(filter: string): Clause {
  const clauses = filter.trim() === '' ? [] : filter.split(/\s+AND\s+/).map(readClause);
  return (job, now) => clauses.every((holds) => holds(job, now));
}

function readClause(text: string): Clause {
  const [, field = '', operator = '', quoted, bare = ''] = CLAUSE.exec(text) ?? [];
  const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const wanted = quoted ?? bare;
  const valueOf = VALUES[name];
  if (!valueOf) throw new GoogleError(invalidArgument(`Invalid filter: "${text.slice(0, 200)}".`));
  const order: Clause = (job, now) => compares(operator, valueOf(job, now), wanted);
  if (name !== 'create_time') return order;
  const instant = Date.parse(wanted);
  if (Number.isNaN(instant)) throw new GoogleError(invalidArgument(`Invalid filter: "${text.slice(0, 200)}".`));
  return ({ timeline }) => compares(operator, timeline.createdAt, instant);
}

function compares<T extends string | number>(operator: string, value: T, wanted: T): boolean {
  if (operator === '!=') return value !== wanted;
  if (operator === '<') return value < wanted;
  if (operator === '<=') return value <= wanted;
  if (operator === '>') return value > wanted;
  if (operator === '>=') return value >= wanted;
  return value === wanted;
}
