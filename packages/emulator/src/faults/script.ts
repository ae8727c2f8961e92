/** A running fault script: decides, call by call and repeatably, what goes wrong. */
import type { Mode } from '../mode.ts';
import { createRandom } from '../random.ts';
import { makesImages, type RouteName } from '../routes/names.ts';
import type { Course } from './course.ts';
import type { Outages } from './outages.ts';
import { type Fault, type FaultRule, isContent, isOfLine, isRefused } from './rules.ts';

/** What a rule can match on. */
export type Subject = {
  route: RouteName;
  mode?: Mode;
  project?: string;
  model?: string;
  prompt?: string;
  file?: string;
  batch?: string;
  displayName?: string;
  key?: string;
};

export type FaultScript = {
  /** Starts over with these rules; the first that applies to a call wins. */
  replace(rules: FaultRule[]): void;
  /** Starts over with the rules of single projects, by their names; they come before all others. */
  replaceOwn(projects: Readonly<Record<string, { faults?: FaultRule[] | undefined }>>): void;
  /** The rules of all, with how many calls each one matched and how many it spoiled. */
  list(): (FaultRule & { matched: number; fired: number })[];
  /** The fault of this call, or of this line of a batch, if any: by a rule, else by an outage. Counts it. */
  choose(subject: Subject): Fault | undefined;
  /** The course of a new batch, if a rule tells one. Counts it. */
  chooseCourse(subject: Subject): Course | undefined;
};

export function createFaultScript(seed: string, rules: FaultRule[], outages: Pick<Outages, 'choose'>): FaultScript {
  let running = start(rules);
  let own: Running[] = [];
  let random = createRandom(seed, 'faults');

  function pick(subject: Subject, suits: (rule: FaultRule) => boolean): Fault | undefined {
    for (const state of [...own, ...running]) {
      const { match, probability = 1, times = Number.POSITIVE_INFINITY, fault } = state.rule;
      if (!suits(state.rule) || !matches(state.rule, subject)) continue;
      state.matched += 1;
      if (match?.nth !== undefined && match.nth !== state.matched) continue;
      if (state.fired >= times || random() >= probability) continue;
      state.fired += 1;
      return fault;
    }
    return undefined;
  }

  return {
    replace(rules) {
      running = start(rules);
      random = createRandom(seed, 'faults');
    },
    replaceOwn(projects) {
      own = start(
        Object.entries(projects).flatMap(([project, { faults = [] }]) =>
          faults.map((rule) => ({ ...rule, match: { ...rule.match, project } })),
        ),
      );
    },
    list: () => running.map(({ rule, matched, fired }) => ({ ...rule, matched, fired })),
    choose: (subject) => pick(subject, (rule) => suitsRoute(rule, subject.route)) ?? outages.choose(subject),
    chooseCourse(subject) {
      const fault = pick(subject, (rule) => rule.fault.kind === 'course');
      if (fault?.kind !== 'course') return undefined;
      const { kind: _, ...course } = fault;
      return course;
    },
  };
}

type Running = { rule: FaultRule; matched: number; fired: number };

function start(rules: FaultRule[]): Running[] {
  return rules.map((rule) => ({ rule, matched: 0, fired: 0 }));
}

/** Whether a fault can happen on a route at all. */
function suitsRoute({ match, fault }: FaultRule, route: RouteName): boolean {
  if (isOfLine(fault)) return route === 'batch_line';
  if (fault.kind === 'course') return false;
  if (fault.kind === 'stale_list') return route === 'list_batches';
  if (fault.kind === 'delivery' || route === 'deliver_webhook')
    return fault.kind === 'delivery' && route === 'deliver_webhook';
  if (route === 'batch_line') return match?.route === 'batch_line' && (isContent(fault) || isRefused(fault));
  if (fault.kind === 'error_in_200') return route === 'chat_completions' || route === 'create_images';
  return !isContent(fault) || makesImages(route);
}

function matches({ match = {} }: FaultRule, subject: Subject): boolean {
  return (
    (match.route ?? subject.route) === subject.route &&
    (match.mode ?? subject.mode) === subject.mode &&
    (match.project ?? subject.project) === subject.project &&
    (match.model ?? subject.model) === subject.model &&
    (match.file ?? subject.file) === subject.file &&
    (match.batch ?? subject.batch) === subject.batch &&
    includes(subject.prompt, match.promptIncludes) &&
    includes(subject.displayName, match.displayNameIncludes) &&
    includes(subject.key, match.keyIncludes)
  );
}

function includes(text: string | undefined, wanted: string | undefined): boolean {
  return wanted === undefined || (text ?? '').includes(wanted);
}
