/** Where a text stops being JSON. The parser itself says so for some mistakes only. */

/** `offset` counts characters from 0; line and column count from 1. */
type JsonFault = { offset: number; line: number; column: number; what: string };

/** Some 20 ms of looking; of a longer text no more is said than the parser says. */
const LENGTH_MAX = 262_144;

/**
 * The first character that no JSON text could have there; `undefined` when the text is JSON, or too long to be looked through.
 *
 * @param said the parser's own words, for a text that is too long
 */
export function jsonFault(text: string, said = ''): JsonFault | undefined {
  const offset = text.length <= LENGTH_MAX ? firstFault(text) : positionIn(said);
  if (offset === undefined) return undefined;
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { offset, line, column: offset - before.lastIndexOf('\n'), what: whatIsAt(text, offset) };
}

function positionIn(said: string): number | undefined {
  const position = / at position (\d{1,9})/.exec(said)?.[1];
  return position === undefined ? undefined : Number(position);
}

function whatIsAt(text: string, offset: number): string {
  const found = text.codePointAt(offset);
  if (found === undefined) return text.trim() === '' ? 'it is empty' : 'it ends too early';
  const shown =
    found < 0x20 ? `the control character U+${found.toString(16).padStart(4, '0')}` : String.fromCodePoint(found);
  return `${shown} was not expected`;
}

/** What may come next: a value, a name, or what follows either. */
type Next = 'value' | 'value or ]' | 'name' | 'name or }' | ':' | ', or close' | 'end';

const SPACE = ' \t\r\n';
const DIGITS = /\d+/y;

/** Iterative, because the text may be nothing but open brackets. */
function firstFault(text: string): number | undefined {
  /** One character for each bracket that is open. */
  const open: string[] = [];
  const afterValue = (): Next => (open.length ? ', or close' : 'end');
  let next: Next = 'value';
  let at = 0;
  for (;;) {
    const char = text[at];
    if (char === undefined) return next === 'end' ? undefined : at;
    if (SPACE.includes(char)) {
      // Between any two.
    } else if ((char === ']' && mayClose(next, open, '[')) || (char === '}' && mayClose(next, open, '{'))) {
      open.pop();
      next = afterValue();
    } else if (next === ', or close' && char === ',') {
      next = open.at(-1) === '{' ? 'name' : 'value';
    } else if (next === ':' && char === ':') {
      next = 'value';
    } else if (next === 'name' || next === 'name or }') {
      if (char !== '"') return at;
      const end = endOfString(text, at);
      if (end.fault !== undefined) return end.fault;
      at = end.at - 1;
      next = ':';
    } else if (next === 'value' || next === 'value or ]') {
      if (char === '[' || char === '{') {
        open.push(char);
        next = char === '[' ? 'value or ]' : 'name or }';
      } else {
        const end = endOfScalar(text, at);
        if (end.fault !== undefined) return end.fault;
        at = end.at - 1;
        next = afterValue();
      }
    } else return at;
    at += 1;
  }
}

function mayClose(next: Next, open: readonly string[], bracket: '[' | '{'): boolean {
  return open.at(-1) === bracket && (next === ', or close' || next === (bracket === '[' ? 'value or ]' : 'name or }'));
}

type End = { at: number; fault?: never } | { at?: never; fault: number };

function endOfScalar(text: string, at: number): End {
  if (text[at] === '"') return endOfString(text, at);
  for (const word of ['true', 'false', 'null']) {
    if (text[at] === word[0]) return endOfWord(text, at, word);
  }
  return endOfNumber(text, at);
}

function endOfNumber(text: string, start: number): End {
  let at = start + (text[start] === '-' ? 1 : 0);
  const whole = text[at] === '0' ? at + 1 : endOfDigits(text, at);
  if (whole === undefined) return { fault: at };
  at = whole;
  if (text[at] === '.') {
    const fraction = endOfDigits(text, at + 1);
    if (fraction === undefined) return { fault: at + 1 };
    at = fraction;
  }
  if (text[at] !== 'e' && text[at] !== 'E') return { at };
  at += /[+-]/.test(text[at + 1] ?? '') ? 2 : 1;
  const exponent = endOfDigits(text, at);
  return exponent === undefined ? { fault: at } : { at: exponent };
}

function endOfWord(text: string, at: number, word: string): End {
  for (let n = 0; n < word.length; n++) if (text[at + n] !== word[n]) return { fault: at + n };
  return { at: at + word.length };
}

function endOfString(text: string, start: number): End {
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char === '"') return { at: at + 1 };
    if (char < ' ') return { fault: at };
    if (char !== '\\') continue;
    at += 1;
    const escape = text[at] ?? '';
    if (escape === 'u') {
      for (let n = 0; n < 4; n++) if (!/^[0-9a-fA-F]$/.test(text[++at] ?? '')) return { fault: at };
    } else if (escape === '' || !'"\\/bfnrt'.includes(escape)) return { fault: at };
  }
  return { fault: text.length };
}

function endOfDigits(text: string, at: number): number | undefined {
  DIGITS.lastIndex = at;
  return DIGITS.test(text) ? DIGITS.lastIndex : undefined;
}
