import { describe, expect, it } from 'vitest';
import { chooseModel, DEFAULT_MODEL, MODELS, modelById } from './models.ts';

const RETIRED = [
  ['gemini-3-pro-image-preview', 'gemini-3-pro-image'],
  ['gemini-3.1-flash-image-preview', 'gemini-3.1-flash-image'],
  ['gemini-2.5-flash-image-preview', 'gemini-2.5-flash-image'],
  ['gemini-2.0-flash-preview-image-generation', 'gemini-2.5-flash-image'],
  ['gemini-2.0-flash-exp-image-generation', 'gemini-2.5-flash-image'],
] as const;

describe('the catalogue', () => {
  it('gives every name to one model only', () => {
    const names = MODELS.flatMap(({ id, aliases }) => [id, ...aliases]);

    expect(new Set(names).size).toBe(names.length);
  });

  it.each(MODELS.map((model) => [model.id, model] as const))('prices every size of %s', (_, model) => {
    expect(Object.keys(model.imageTokens).toSorted()).toEqual([...model.sizes].toSorted());
    expect(Object.values(model.imageTokens).every((tokens) => Number.isInteger(tokens) && tokens > 0)).toBe(true);
    expect(Object.values(model.rates).every((rate) => rate > 0)).toBe(true);
  });

  it.each(MODELS.map((model) => [model.id, model] as const))('offers what %s says is usual', (_, model) => {
    expect(model.sizes).toContain(model.defaultSize);
    expect(model.aspectRatios).toContain('1:1');
    expect(new Set(model.aspectRatios).size).toBe(model.aspectRatios.length);
    expect(model.lanes).toContain('standard');
    expect(model.timeoutMs).toBeGreaterThanOrEqual(60_000);
    for (const max of Object.values(model.references.byRole)) expect(max).toBeLessThanOrEqual(model.references.max);
  });

  it('names a successor that is available for every deprecated model', () => {
    for (const model of MODELS.filter(({ status }) => status === 'deprecated')) {
      expect(modelById(model.successor ?? '').status).toBe('available');
      expect(Date.parse(model.retiresOn ?? '')).not.toBeNaN();
    }
  });
});

describe('chooseModel', () => {
  it.each(MODELS.flatMap((model) => [model.id, ...model.aliases].map((name) => [name, model.id])))(
    'finds %s',
    (name, id) => {
      expect(chooseModel(name)).toMatchObject({ type: 'model', model: { id } });
    },
  );

  it('warns of a deprecated model, and of no other', () => {
    const warned = MODELS.filter(({ id }) => 'warning' in chooseModel(id));

    expect(warned).toEqual(MODELS.filter(({ status }) => status === 'deprecated'));
    for (const { id, successor } of warned)
      expect(chooseModel(id)).toMatchObject({ warning: expect.stringContaining(successor ?? '?') });
  });

  it.each(RETIRED)('uses the successor of %s, and says so', (asked, id) => {
    const choice = chooseModel(asked);

    expect(choice).toMatchObject({ type: 'model', model: { id } });
    expect(choice.type === 'model' && choice.warning).toContain(asked);
  });

  it.each(['imagen-4.0-generate-001', 'imagen-3'])('knows that %s is gone, and what to use instead', (asked) => {
    const choice = chooseModel(asked);

    expect(choice).toMatchObject({ type: 'gone' });
    expect(choice.type === 'gone' && modelById(choice.successor).status).toBe('available');
  });

  it.each(['', 'gpt-image-1', 'Pro', ' pro', 'gemini', 'constructor', '__proto__', 'toString'])(
    'knows no %j',
    (asked) => {
      expect(chooseModel(asked)).toEqual({ type: 'unknown' });
    },
  );

  it('has a default that is available', () => {
    expect(chooseModel(DEFAULT_MODEL)).toMatchObject({ type: 'model', model: { status: 'available' } });
  });
});

it('takes an id that is not in the catalogue for a bug', () => {
  expect(() => modelById('pro')).toThrow(RangeError);
});
