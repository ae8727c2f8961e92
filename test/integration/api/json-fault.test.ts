import { jsonFault } from '@darkroom/shared/schemas';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('jsonFault', () => {
  it.each([
    ['{"a":1,}', 7, '} was not expected'],
    ['{"a":1', 6, 'it ends too early'],
    ['', 0, 'it is empty'],
    [' \n', 2, 'it is empty'],
    ["{'a':1}", 1, "' was not expected"],
    ['{"a":"b}', 8, 'it ends too early'],
    ['{"a":tru}', 8, '} was not expected'],
    ['{"a" 1}', 5, '1 was not expected'],
    ['{"a":1}{}', 7, '{ was not expected'],
    ['{"a":"\n"}', 6, 'the control character U+000a was not expected'],
    ['{"a":"\\x"}', 7, 'x was not expected'],
    ['{"a":"\\u12g4"}', 10, 'g was not expected'],
    ['[1,2', 4, 'it ends too early'],
    ['[1,]', 3, '] was not expected'],
    ['[1}', 2, '} was not expected'],
    ['NaN', 0, 'N was not expected'],
    ['01', 1, '1 was not expected'],
    ['-', 1, 'it ends too early'],
    ['[1.]', 3, '] was not expected'],
    ['[1e+]', 4, '] was not expected'],
    ['{"a":\u{1f375}}', 5, '\u{1f375} was not expected'],
  ])('finds it in %j', (text, offset, what) => {
    expect(jsonFault(text)).toMatchObject({ offset, what });
  });

  it('counts lines and columns from 1', () => {
    expect(jsonFault('{\n  "prompt": "a mug",\n  "size": 2K\n}')).toEqual({
      offset: 34,
      line: 3,
      column: 12,
      what: 'K was not expected',
    });
  });

  it('agrees with the parser about what is JSON', () => {
    const spoilt = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '\\', '}', ']', ':', '0', '-', 'e', '\t', 'u'))
      .map(([text, at, put]) => {
        const n = at % (text.length + 1);
        return text.slice(0, n) + put + text.slice(n + 1);
      });
    fc.assert(
      fc.property(fc.oneof(spoilt, fc.json(), fc.string()), (text) => {
        const fault = jsonFault(text);

        expect(fault === undefined).toBe(isJson(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it('names the place that the parser names, where that names one', () => {
    const broken = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom(',', '}', ':', ']', '"'))
      .map(([text, at, put]) => text.slice(0, at % text.length) + put + text.slice(at % text.length));
    fc.assert(
      fc.property(broken, (text) => {
        const found = jsonFault(text)?.offset;
        const said = /at position (\d+)/.exec(messageOf(text))?.[1];

        expect([text, found]).toEqual([text, said === undefined ? found : Number(said)]);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(['[', '{"a":', '\n', '[1,'])('takes a text of nothing but %j in its stride', (part) => {
    const text = part.repeat(50_000);

    expect(jsonFault(text)?.offset).toBe(text.length);
  });

  it('believes the parser about a text that is too long to be looked through', () => {
    const text = `{"data":"${'a'.repeat(1_000_000)}",}`;

    expect(jsonFault(text, messageOf(text))).toEqual({
      offset: text.length - 1,
      line: 1,
      column: text.length,
      what: '} was not expected',
    });
    expect(jsonFault(text)).toBeUndefined();
  });
});

function messageOf(text: string): string {
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return String(error);
  }
}
