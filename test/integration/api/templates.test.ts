import { CreateTemplateBody } from '@darkroom/shared/schemas';
import { BUILTIN_TEMPLATES } from '@darkroom/shared/templates';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const MUG = {
  name: 'mug',
  prompt: 'A {{color}} mug',
  variables: { color: { type: 'text' } },
  defaults: { size: '2K', model: 'pro' },
};
const make = (body: object, key?: string) => api.call('POST', '/v1/templates', { body, ...(key && { key }) });
const refusal = ({ status, json }: { status: number; json: { code: string; param?: string; detail: string } }) => [
  status,
  json.code,
  json.param,
  json.detail,
];

describe('a template', () => {
  it('is versioned, and equal content makes no new version', async () => {
    const first = await make({ ...MUG, name: 'versioned' });
    const again = await make({ ...MUG, name: 'versioned' });
    const second = await make({ ...MUG, name: 'versioned', prompt: 'A small {{color}} mug' });

    expect([first.status, first.json.id, first.headers.get('location')]).toEqual([
      201,
      'versioned@1',
      '/v1/templates/versioned@1',
    ]);
    expect(again.json.id).toBe('versioned@1');
    expect(second.json.id).toBe('versioned@2');
    expect((await api.call('GET', '/v1/templates/versioned')).json).toMatchObject({ version: 2, builtin: false });
    expect((await api.call('GET', '/v1/templates/versioned@1')).json).toEqual(first.json);
  });

  it('is listed with those of the house, and nobody else sees it', async () => {
    await make({ ...MUG, name: 'mine' });
    const other = await api.addKey('other');
    const namesOf = async (key?: string) =>
      (await api.call('GET', '/v1/templates', key ? { key } : {})).json.data.map(({ id }: { id: string }) => id);

    expect(await namesOf()).toEqual(expect.arrayContaining(['mine@1', 'product-hero@1', 'localisation-set@1']));
    expect(await namesOf(other)).not.toContain('mine@1');
    expect((await api.call('GET', '/v1/templates/mine', { key: other })).status).toBe(404);
  });

  it('is forgotten on request, unless it is of the house', async () => {
    await make({ ...MUG, name: 'short-lived' });

    expect((await api.call('DELETE', '/v1/templates/short-lived')).status).toBe(204);
    expect((await api.call('GET', '/v1/templates/short-lived')).status).toBe(404);
    expect((await api.call('DELETE', '/v1/templates/product-hero')).json.code).toBe('conflict');
    expect((await make({ ...MUG, name: 'product-hero' })).json).toMatchObject({ code: 'conflict', param: 'name' });
  });

  it('goes as a whole, and its numbers never come to mean something else', async () => {
    await make({ ...MUG, name: 'tee' });
    await make({ ...MUG, name: 'tee', prompt: 'A small {{color}} tee' });

    const alone = await api.call('DELETE', '/v1/templates/tee@1');
    await api.call('DELETE', '/v1/templates/tee');
    const again = await make({ ...MUG, name: 'tee', prompt: 'Another {{color}} tee' });

    expect([alone.status, alone.json.code, alone.json.fix]).toEqual([
      400,
      'invalid_request',
      'DELETE /v1/templates/tee removes all of its versions.',
    ]);
    expect(again.json.id).toBe('tee@3');
    expect((await api.call('GET', '/v1/templates/tee')).json.id).toBe('tee@3');
    expect((await api.call('GET', '/v1/templates/tee@1')).status).toBe(404);
    expect((await api.call('DELETE', '/v1/templates/tee')).status).toBe(204);
    expect((await api.call('DELETE', '/v1/templates/tee')).status).toBe(404);
  });

  it.each([
    [
      { prompt: 'A {{size}} {{color}} mug', variables: { color: {}, size: {} } },
      'variables.size',
      'variables.size has',
    ],
    [{ defaults: { model: 'pro', size: '512' } }, 'defaults.size', 'defaults.size must be one of 1K, 2K, 4K', 422],
    [
      { defaults: { model: 'pro', aspect_ratio: '1:8' } },
      'defaults.aspect_ratio',
      'defaults.aspect_ratio must be',
      422,
    ],
    [{ defaults: { model: 'nobody' } }, 'defaults.model', 'defaults.model "nobody" is not known'],
    [{ prompt: 'A {{shape}} {{color}} mug' }, 'prompt', 'prompt uses {{shape}}, which variables does not declare.'],
    [{ prompt: 'A mug' }, 'variables.color', 'variables.color is not used in prompt.'],
    [{ defaults: { prompt: 'x' } }, 'defaults.prompt', 'defaults.prompt is not a field of this request'],
  ])('that is wrong by %j is refused by name', async (wrong, param, detail, status = 400) => {
    const answer = await make({ ...MUG, name: 'wrong', ...wrong });

    expect([answer.status, answer.json.param]).toEqual([status, param]);
    expect(answer.json.detail).toContain(detail.slice(0, 40));
    expect((await api.call('GET', '/v1/templates/wrong')).status).toBe(404);
  });

  it('shows the job it would make, and makes none', async () => {
    await make({ ...MUG, name: 'preview' });

    const shown = await api.call('POST', '/v1/templates/preview/render', { body: { variables: { color: 'red' } } });

    expect(shown.json).toEqual({
      template: 'preview@1',
      job: { model: 'pro', size: '2K', prompt: 'A red mug', references: [], template: 'preview@1' },
    });
    expect(refusal(await api.call('POST', '/v1/templates/preview/render', { body: { variables: {} } }))).toEqual([
      400,
      'invalid_request',
      'variables.color',
      'variables.color is required.',
    ]);
  });
});

describe('a job by template', () => {
  it('has the filled prompt, the defaults below and its own fields above', async () => {
    await make({ ...MUG, name: 'job' });
    const body = { template: 'job', variables: { color: 'red' }, size: '1K', tags: ['summer'] };

    const { status, json } = await api.call('POST', '/v1/jobs', { body });

    expect(status).toBe(202);
    expect(json).toMatchObject({
      prompt: 'A red mug',
      template: 'job@1',
      size: '1K',
      model: 'gemini-3-pro-image',
      tags: ['summer'],
    });
  });

  it('is known again by its key when the template has a newer version by then', async () => {
    await make({ ...MUG, name: 'replayed' });
    const submit = () =>
      api.call('POST', '/v1/jobs', {
        body: { template: 'replayed', variables: { color: 'green' } },
        headers: { 'idempotency-key': 'one-green-mug' },
      });
    const first = await submit();
    await make({ ...MUG, name: 'replayed', prompt: 'Another {{color}} mug' });

    const again = await submit();

    expect([again.json.id, again.headers.get('idempotent-replayed')]).toEqual([first.json.id, 'true']);
  });

  it.each([
    [{ template: 'product-hero', prompt: 'x', variables: { name: 'x' } }, 400, 'prompt'],
    [{ template: 'product-hero', variables: { name: 'x', '{{color}}': 'y' } }, 400, 'variables.{{color}}'],
    [{ template: 'nobody', variables: {} }, 404, 'template'],
    [{ template: 'product-hero@9', variables: {} }, 404, 'template'],
    [{ template: 7 }, 400, 'template'],
    [{ prompt: 'x', variables: { name: 'x' } }, 400, 'variables'],
    [{ template: 'product-hero', variables: { name: 'x' }, locale: 'xx' }, 400, 'locale'],
  ])('as %j is refused by name', async (body, status, param) => {
    const answer = await api.call('POST', '/v1/jobs', { body });

    expect([answer.status, answer.json.param]).toEqual([status, param]);
  });
});

describe('the templates of the house', () => {
  it.each(BUILTIN_TEMPLATES.map((template) => [template.name, template] as const))(
    '%s could have been made by a caller',
    (_name, { version, variables, ...template }) => {
      const wire = Object.entries(variables).map(([name, { maxLength, ...variable }]) => [
        name,
        { ...variable, ...(maxLength !== undefined && { max_length: maxLength }) },
      ]);

      expect(version).toBe(1);
      expect(CreateTemplateBody.safeParse({ ...template, variables: Object.fromEntries(wire) }).error).toBeUndefined();
    },
  );
});
