/**
 * The part of YAML that files under `deploy/` keep to, so that a test can read them without a parser: block maps and
 * lists, indented by two; values that are plain, in single quotes, or literal blocks (`|`). Anything else is refused.
 */

export type Yaml = string | Yaml[] | { [key: string]: Yaml };
type Line = { indent: number; text: string; number: number };

/** Plain characters that mean something else in YAML, at the beginning of a value. */
const SPECIAL = /^[\s[\]{}&*!|>%@`"#?,-]|: | #/;
const ENTRY = /^([A-Za-z_][\w-]*):(?: (.*))?$/;

/** @throws naming the line that is not of this part of YAML */
export function readPlainYaml(text: string): Yaml {
  const lines = text.split('\n').map((raw, i) => ({
    indent: raw.length - raw.trimStart().length,
    text: raw.trim(),
    number: i + 1,
  }));
  const reader = createReader(lines);
  const value = reader.block(0);
  const rest = reader.peek();
  if (rest) throw fault(rest);
  return value;
}

function createReader(lines: Line[]) {
  let at = 0;
  const peek = (): Line | undefined => {
    while (isBlank(lines[at])) at++;
    return lines[at];
  };

  function block(indent: number): Yaml {
    const first = peek();
    if (first?.indent !== indent) throw fault(first);
    return first.text.startsWith('- ') ? list(indent) : map(indent);
  }

  function list(indent: number): Yaml[] {
    const items: Yaml[] = [];
    for (let line = peek(); line?.indent === indent && line.text.startsWith('- '); line = peek()) {
      const text = line.text.slice(2);
      if (ENTRY.test(text)) {
        // The map begins behind the dash.
        lines[at] = { ...line, indent: indent + 2, text };
        items.push(map(indent + 2));
      } else {
        at++;
        items.push(scalar(line, text));
      }
    }
    return items;
  }

  function map(indent: number): Yaml {
    const found: { [key: string]: Yaml } = {};
    for (let line = peek(); line?.indent === indent && !line.text.startsWith('- '); line = peek()) {
      const [, key, value] = ENTRY.exec(line.text) ?? [];
      if (key === undefined || key in found) throw fault(line);
      at++;
      if (value === undefined) found[key] = block(indent + 2);
      else found[key] = value === '|' ? literal(indent + 2) : scalar(line, value);
    }
    return found;
  }

  function literal(indent: number): string {
    const from = at;
    while (lines[at] && ((lines[at]?.indent ?? 0) >= indent || lines[at]?.text === '')) at++;
    return lines
      .slice(from, at)
      .map(({ text }) => text)
      .join('\n')
      .trim();
  }

  return { peek, block };
}

function isBlank(line: Line | undefined): boolean {
  return line !== undefined && (line.text === '' || line.text.startsWith('#'));
}

function scalar(line: Line, text: string): string {
  const quoted = /^'((?:[^']|'')*)'$/.exec(text)?.[1];
  if (quoted !== undefined) return quoted.replaceAll("''", "'");
  if (SPECIAL.test(text) || text.startsWith("'")) throw fault(line);
  return text;
}

function fault(line: Line | undefined): Error {
  return new Error(line ? `line ${line.number} is not plain YAML: ${line.text}` : 'the YAML ends too early');
}
