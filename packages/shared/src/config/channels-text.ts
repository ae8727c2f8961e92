/** The text of the channels file: its value, and where in it each part stands. */

import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { ConfigError } from './env.ts';

/** JSON is YAML too. */
export type ChannelsText = {
  value: unknown;
  /** 1-based; of what is not there, the line of what it is missing from. */
  lineOf(path: readonly PropertyKey[]): number;
};

/** @param name of the file, for messages. @throws ConfigError with every line that is no YAML */
export function parseText(text: string, name: string): ChannelsText {
  const lines = new LineCounter();
  // Never pretty: that quotes lines of the file, and somebody may have put a secret there after all.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const errors = [...document.errors, ...document.warnings, ...unknownAliases(document)];
  if (errors.length) {
    throw new ConfigError(errors.map(({ pos, message }) => `${name}:${lines.linePos(pos[0]).line || 1}: ${message}`));
  }
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);
  return { value: valueOf(document, name), lineOf: (path) => lineAt(offsetOf(document, path)) };
}

function unknownAliases(document: Document.Parsed): { pos: [number]; message: string }[] {
  const found: { pos: [number]; message: string }[] = [];
  visit(document, {
    Alias: (_, node) => {
      const message = `*${node.source} stands for nothing: &${node.source} must come before it`;
      if (!node.resolve(document)) found.push({ pos: [node.range?.[0] ?? 0], message });
    },
  });
  return found;
}

function valueOf(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (error) {
    throw new ConfigError([`${name}:1: ${error instanceof Error ? error.message : 'its aliases cannot be resolved'}`]);
  }
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: Node | null | undefined = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const part of path) {
    const found = childOf(isAlias(node) ? node.resolve(document) : node, part);
    if (!found) break;
    offset = found.offset ?? offset;
    node = found.node;
  }
  return offset;
}

/** Of a field the line of its name: that of its value may be another. */
function childOf(node: Node | null | undefined, part: PropertyKey): { node: Node | null; offset?: number } | undefined {
  if (isSeq(node)) return found(node.items[Number(part)]);
  if (!isMap(node)) return undefined;
  const pair = node.items.find((one) => isPair(one) && keyOf(one.key) === String(part));
  return pair && { ...found(pair.value), ...offsetIn(pair.key) };
}

function found(value: unknown): { node: Node | null; offset?: number } {
  return isNode(value) ? { node: value, ...offsetIn(value) } : { node: null };
}

function offsetIn(value: unknown): { offset?: number } {
  const start = isNode(value) ? value.range?.[0] : undefined;
  return start === undefined ? {} : { offset: start };
}

function keyOf(key: unknown): string {
  return String(isNode(key) && 'value' in key ? key.value : key);
}
