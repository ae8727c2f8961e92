/** What makes the channels file no YAML or no JSON, in words of our own: those of the parsers may quote a secret. */

import { type Document, isPair, isScalar, isSeq, type Node, type Pair, visit, type YAMLError } from 'yaml';
import { jsonFault, pathOf } from '../schemas/index.ts';

/** @param offset of the character it is about, from 0 */
export type SyntaxFault = { offset: number; message: string };

const FAULTS_MAX = 100;

type Code = YAMLError['code'];

const NO_NAME = 'is no "name: value": write a colon and a space behind the name';
const TWO_IN_ONE =
  'has a second "name: value" where one value belongs: write env:NAME without a space, put other text in quotes, or begin a line of its own';

const WORDS: Partial<Record<Code, string>> = {
  TAB_AS_INDENT: 'is indented with a tab: use spaces',
  BAD_INDENT:
    'is indented too little, or a bracket above it is not closed: indent it like its neighbours, close [ and {',
  BLOCK_AS_IMPLICIT_KEY: TWO_IN_ONE,
  BLOCK_IN_FLOW: TWO_IN_ONE,
  MULTILINE_IMPLICIT_KEY: NO_NAME,
  MISSING_CHAR: 'is not indented like its neighbours, or misses a comma, a bracket or the dash of a list',
  MULTIPLE_DOCS: 'begins a second document: take out the ---, and keep everything in one',
  TAG_RESOLVE_FAILED:
    'has a tag (!…), which means nothing here: leave it out; a secret is named as env:NAME or file:PATH',
  BAD_SCALAR_START: 'has text that begins with @, ` or %: put it in quotes',
  BAD_DQ_ESCAPE: 'has a \\ in double quotes that means nothing: use single quotes, or \\\\',
  RESOURCE_EXHAUSTION: 'is nested too deep: channels need no more than eight levels',
};

/** @param document that was read with `uniqueKeys: false` */
export function yamlFaults(document: Document.Parsed): SyntaxFault[] {
  const errors = [...document.errors, ...document.warnings];
  if (!errors.length) return [...deadNames(document), ...namesTwice(document)];
  // Behind the first, what is of another kind is mostly what follows from it.
  return errors.filter(({ code }) => code === errors[0]?.code).map((error) => faultOf(document, error));
}

/** @param document the same text, read as YAML */
export function jsonFaults(text: string, document: Document.Parsed): SyntaxFault[] {
  try {
    JSON.parse(text);
    return namesTwice(document);
  } catch (error) {
    const { offset, what: found } = jsonFault(text, String(error)) ?? { offset: 0, what: 'it breaks off' };
    const what = text[offset] === '\n' ? 'a quote is not closed in this line' : found;
    const rules = 'JSON wants double quotes, and neither comments nor a comma before } or ]; call a file of YAML .yaml';
    return [{ offset, message: `is not JSON: ${what}. ${rules}` }];
  }
}

function faultOf(document: Document.Parsed, { code, message, pos: [offset] }: YAMLError): SyntaxFault {
  if (code === 'MISSING_CHAR' && /closing .quote/.test(message)) {
    return {
      offset: startOfText(document, offset),
      message: 'opens a quote that is never closed: close it, or leave it out',
    };
  }
  if (code === 'MISSING_CHAR' && message.startsWith('Implicit map keys')) return { offset, message: NO_NAME };
  return { offset, message: WORDS[code] ?? `is no YAML (${code}): put text with special characters in quotes` };
}

/** Where the text begins that goes on to `end`: the parser misses a quote only there. */
function startOfText(document: Document.Parsed, end: number): number {
  let start = end;
  visit(document, {
    Scalar: (_, { range }) => {
      if (range && range[0] < end && range[2] >= end) start = range[0];
    },
  });
  return start;
}

/** Names that other programs give a meaning, and aliases of nothing. */
function deadNames(document: Document.Parsed): SyntaxFault[] {
  const found: SyntaxFault[] = [];
  visit(document, {
    Alias: (_, node) => {
      if (node.resolve(document)) return;
      const message = `*${node.source} stands for nothing: &${node.source} must come before it`;
      found.push({ offset: offsetOf(node), message });
    },
    Pair: (_, { key }) => {
      if (!isScalar(key) || key.value !== '<<') return;
      const message = '<< is not followed: write the fields out, or name whole values by alias, such as limits: *usual';
      found.push({ offset: offsetOf(key), message });
    },
  });
  return found.slice(0, FAULTS_MAX);
}

/** Of two values under one name a parser keeps one, and says nothing. */
function namesTwice(document: Document.Parsed): SyntaxFault[] {
  const found: SyntaxFault[] = [];
  visit(document, {
    Map: (_, map, above) => {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (found.length >= FAULTS_MAX) return visit.BREAK;
        if (!isScalar(key)) continue;
        const name = String(key.value);
        if (seen.has(name))
          found.push({
            offset: offsetOf(key),
            message: `${placeOf([...above, map], name)} stands here twice: leave one of them out`,
          });
        seen.add(name);
      }
      return undefined;
    },
  });
  return found;
}

/** `channels[0].limits`: what leads to a name. */
function placeOf(above: readonly (Document | Node | Pair)[], name: string): string {
  const parts = above.flatMap((one, n): (string | number)[] => {
    if (isPair(one)) return [isScalar(one.key) ? String(one.key.value) : '?'];
    const parent = above[n - 1];
    return isSeq(parent) ? [parent.items.indexOf(one)] : [];
  });
  return pathOf([...parts, name]);
}

function offsetOf({ range }: Node): number {
  return range?.[0] ?? 0;
}
