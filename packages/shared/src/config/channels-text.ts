/** The text of the channels file: its value, and where in it each part stands. */

import { type Document, isAlias, isMap, isNode, isPair, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { jsonFaults, yamlFaults } from './channels-syntax.ts';
import { ConfigError } from './env.ts';

export type ChannelsText = {
  value: unknown;
  /** 1-based; of what is not there, the line of what it is missing from. */
  lineOf(path: readonly PropertyKey[]): number;
};

/**
 * @param name of the file, for messages; one that ends in `.json` must be JSON, any other YAML
 * @throws ConfigError with every line that is neither
 */
export function parseText(given: string, name: string): ChannelsText {
  const text = given.replace(/^\uFEFF/, '');
  const lines = new LineCounter();
  // Never pretty: that quotes lines of the file, and somebody may have put a secret there after all.
  // JSON is read as YAML too, for the places of its parts.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);
  const isJson = name.endsWith('.json');
  // Of one line the first is the cause of the others.
  const byLine = new Map<number, string>();
  for (const { offset, message } of isJson ? jsonFaults(text, document) : yamlFaults(document)) {
    const line = lineAt(offset);
    if (!byLine.has(line)) byLine.set(line, `${name}:${line}: ${message}`);
  }
  if (byLine.size) throw new ConfigError([...byLine].toSorted(([a], [b]) => a - b).map(([, said]) => said));
  const value: unknown = isJson ? JSON.parse(text) : valueOf(document, name);
  return { value, lineOf: (path) => lineAt(offsetOf(document, path)) };
}

function valueOf(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch {
    throw new ConfigError([`${name}:1: the file has aliases that stand for too much: write some of it out`]);
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
