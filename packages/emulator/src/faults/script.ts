/** A running fault script: decides, call by call and repeatably, what goes wrong. */
import { createRandom } from '../random.ts';
import { makesImages, type RouteName } from '../routes/names.ts';
import { type Fault, type FaultRule, isContent } from './rules.ts';

/** What a rule can match on. */
type Subject = { route: RouteName; model?: string; prompt?: string; file?: string };

export type FaultScript = {
  /** Starts over with these rules; the first that applies to a call wins. */
  replace(rules: FaultRule[]): void;
  /** The rules, with how many calls each one matched and how many it spoiled. */
  list(): (FaultRule & { matched: number; fired: number })[];
  /** The fault of this call, if any. Counts the call. */
  choose(subject: Subject): Fault | undefined;
};

export function createFaultScript(seed: string, rules: FaultRule[]): FaultScript {
  let running = start(rules);
  let random = createRandom(seed, 'faults');

  return {
    replace(rules) {
      running = start(rules);
      random = createRandom(seed, 'faults');
    },
    list: () => running.map(({ rule, matched, fired }) => ({ ...rule, matched, fired })),
    choose(subject) {
      for (const state of running) {
        const { match, probability = 1, times = Number.POSITIVE_INFINITY, fault } = state.rule;
        if (!matches(state.rule, subject)) continue;
        state.matched += 1;
        if (match?.nth !== undefined && match.nth !== state.matched) continue;
        if (state.fired >= times || random() >= probability) continue;
        state.fired += 1;
        return fault;
      }
      return undefined;
    },
  };
}

function start(rules: FaultRule[]): { rule: FaultRule; matched: number; fired: number }[] {
  return rules.map((rule) => ({ rule, matched: 0, fired: 0 }));
}

function matches({ match = {}, fault }: FaultRule, { route, model, prompt = '', file }: Subject): boolean {
  if (isContent(fault) && !makesImages(route)) return false;
  if (match.route !== undefined && match.route !== route) return false;
  if (match.model !== undefined && match.model !== model) return false;
  if (match.file !== undefined && match.file !== file) return false;
  return match.promptIncludes === undefined || prompt.includes(match.promptIncludes);
}
