import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { render, type Template, templateFaults } from './template.ts';

const HERO: Template = {
  name: 'hero',
  version: 2,
  prompt: 'A photo of {{product}}{{#color}} in {{color}}{{/color}}, for {{year}}. Captions in {{language}}.',
  variables: {
    product: { type: 'text', maxLength: 40 },
    color: { type: 'enum', values: ['red', 'blue'], optional: true },
    year: { type: 'number', default: '2026' },
    language: { type: 'text', default: 'English' },
    photo: { type: 'image', role: 'object', optional: true },
  },
  defaults: { size: '2K' },
  locales: { de: { language: 'German' } },
};

const faults = (values: Record<string, string>, locale?: string) => {
  try {
    render(HERO, values, locale);
    return [];
  } catch (error) {
    return (error as { errors: { path: string; message: string }[] }).errors.map(
      ({ path, message }) => `${path} ${message}`,
    );
  }
};

describe('render', () => {
  it('fills blanks, defaults and sections', () => {
    expect(render(HERO, { product: 'a mug', color: 'red' }).prompt).toBe(
      'A photo of a mug in red, for 2026. Captions in English.',
    );
    expect(render(HERO, { product: 'a mug' }).prompt).toBe('A photo of a mug, for 2026. Captions in English.');
  });

  it('takes values of the locale before defaults, and of the caller before both', () => {
    expect(render(HERO, { product: 'a mug' }, 'de').prompt).toContain('Captions in German');
    expect(render(HERO, { product: 'a mug', language: 'French' }, 'de').prompt).toContain('Captions in French');
  });

  it.each([
    ['https://example.com/mug.jpg', { url: 'https://example.com/mug.jpg' }],
    ['ast_01', { asset: 'ast_01' }],
    ['img_01.0', { image: 'img_01.0' }],
    ['gs://bucket/mug.png', { gcs_uri: 'gs://bucket/mug.png' }],
  ])('makes a reference of %s', (photo, source) => {
    expect(render(HERO, { product: 'a mug', photo }).references).toEqual([
      { ...source, name: 'photo', role: 'object' },
    ]);
  });

  it('names every variable at fault', () => {
    expect(faults({ color: 'green', year: 'soon', size: '4K', photo: 'mug.jpg' })).toEqual([
      'variables.size is not a variable of this template',
      'variables.product is required',
      'variables.color must be one of red, blue',
      'variables.year must be a number',
      'variables.photo must be an address, or the id of an asset or an image',
    ]);
    expect(faults({ product: 'x'.repeat(41) })).toEqual(['variables.product must have at most 40 characters']);
    expect(faults({ product: 'a mug' }, 'fr')).toEqual(['locale "fr" is not one of de']);
    expect(faults({ product: ' \n\t ' })).toEqual(['variables.product is required']);
  });

  it('puts no more than the value, cleaned, between the words of the template', () => {
    const anyValue = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('{{color}}', '{{#color}}', '{{/color}}'),
    );
    fc.assert(
      fc.property(anyValue, (product) => {
        fc.pre(
          product
            .toWellFormed()
            .normalize('NFC')
            .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
            .trim().length > 0,
        );
        fc.pre(product.normalize('NFC').length <= 40);
        const { prompt, references } = render(HERO, { product });

        expect(prompt.startsWith('A photo of ')).toBe(true);
        expect(prompt.endsWith(', for 2026. Captions in English.')).toBe(true);
        expect(prompt).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
        expect(references).toEqual([]);
      }),
    );
  });

  it.each(['constructor', '__proto__', 'toString'])('has no variable called %s', (name) => {
    expect(faults(Object.fromEntries([[name, 'x']]))).toContain(`variables.${name} is not a variable of this template`);
  });
});

describe('templateFaults', () => {
  it('finds none in a sound template', () => {
    expect(templateFaults(HERO)).toEqual([]);
  });

  it.each([
    [{ prompt: 'A {{thing}}', variables: {} }, 'prompt uses {{thing}}, which variables does not declare'],
    [{ prompt: 'A mug', variables: { thing: { type: 'text' } } }, 'variables.thing is not used in prompt'],
    [{ prompt: '{{#a}}x', variables: { a: { type: 'text' } } }, 'prompt never closes {{#a}}'],
    [
      { prompt: 'x{{/a}}', variables: { a: { type: 'text' } } },
      'prompt closes {{/a}}, which is not the section that is open',
    ],
    [{ prompt: 'x {{A}}', variables: {} }, 'prompt holds {{ that is no {{name}}, {{#name}} or {{/name}}'],
    [{ prompt: 'x', variables: {}, locales: { de: { y: 'z' } } }, 'locales.de.y is not a variable'],
  ] as const)('of %j names it', (template, fault) => {
    expect(templateFaults(template)).toEqual([fault]);
  });
});
