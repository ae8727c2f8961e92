/** From one entry of the channels file to a channel; what is wrong with it goes to `mistakes`. */

import {
  CHANNEL_KINDS,
  type ChannelKind,
  type ChannelLimits,
  type ChannelSpec,
  chooseModel,
  type Lane,
  type Limits,
  MODELS,
  type Model,
  type ServedModel,
} from '../domain/index.ts';
import { checkPlaces, didYouMean } from '../schemas/index.ts';
import type { BatchPart, ConfiguredChannel, Connection, Credential, VertexConnection } from './channel-connection.ts';
import { type Mistakes, unknownName } from './channel-mistakes.ts';
import { credentialOf, type Env, whatIsMissing } from './channels-credentials.ts';
import { capabilitiesOf, defaultProviderModel } from './channels-defaults.ts';
import { CHANNEL_SCHEMAS, type FileChannel, type FileModel, SECRET_REFERENCE } from './channels-schema.ts';

/** What holds where a channel says nothing. */
export type Defaults = { batch: { slots: number; enqueuedTokens: number } };

export type BuildOptions = {
  env: Env;
  /** Where paths of secrets start. */
  folder: string;
  credentials: 'resolve' | 'leave';
  defaults: Defaults;
  mistakes: Mistakes;
};

type At = PropertyKey[];

/** For the channels of one file, one after the other: their ids must differ. */
export function createBuilder(options: BuildOptions): {
  build(raw: unknown, index: number): ConfiguredChannel | undefined;
} {
  const { mistakes } = options;
  const seen = new Map<string, number>();
  return {
    build: (raw, index) => {
      const at: At = ['channels', index];
      // Whatever else is wrong with it.
      claimId(raw, at, seen, mistakes);
      nameModels(raw, at, mistakes);
      if (options.credentials === 'resolve') lookForSecrets(raw, at, options);
      const kind = kindOf(raw, at, mistakes);
      if (!kind) return undefined;
      const { data, faults = [] } = checkPlaces(CHANNEL_SCHEMAS[kind], raw, unknownName(`for kind ${kind}`));
      for (const fault of faults) mistakes.add([...at, ...fault.at], fault.message);
      return data && channelOf(data, at, options);
    },
  };
}

function claimId(raw: unknown, at: At, seen: Map<string, number>, mistakes: Mistakes): void {
  const id = fieldOf(raw, 'id');
  if (typeof id !== 'string') return;
  const line = mistakes.lineOf([...at, 'id']);
  const before = seen.get(id);
  if (before !== undefined)
    mistakes.add([...at, 'id'], `is the id of the channel at line ${before} too: choose another`);
  else seen.set(id, line);
}

function kindOf(raw: unknown, at: At, mistakes: Mistakes): ChannelKind | undefined {
  const kind = fieldOf(raw, 'kind');
  const known = CHANNEL_KINDS.find((one) => one === kind);
  if (known) return known;
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    mistakes.add(at, 'must be a channel, with id, kind, credentials and models');
  } else if (kind === undefined) mistakes.add([...at, 'kind'], `is required: one of ${CHANNEL_KINDS.join(', ')}`);
  else mistakes.add([...at, 'kind'], `must be one of ${CHANNEL_KINDS.join(', ')}${didYouMean(kind, CHANNEL_KINDS)}`);
  return undefined;
}

function fieldOf(raw: unknown, name: string): unknown {
  return typeof raw === 'object' && raw !== null ? Reflect.get(raw, name) : undefined;
}

function mapIn(raw: unknown, name: string): Record<string, unknown> {
  const map = fieldOf(raw, name);
  return typeof map === 'object' && map !== null && !Array.isArray(map) ? (map as Record<string, unknown>) : {};
}

function channelOf(file: FileChannel, at: At, options: BuildOptions): ConfiguredChannel {
  const lanes = lanesOf(file, at, options.mistakes);
  const batch = batchOf(file, lanes, at, options);
  const spec: ChannelSpec = {
    id: file.id,
    kind: file.kind,
    order: file.order,
    weight: file.weight,
    models: modelsOf(file, at, options.mistakes),
    limits: channelLimitsOf(file),
    lanes,
    // Only OpenRouter says what a call cost, and only to whoever lists it as such.
    trust: { references: file.trust?.references ?? true, cost: file.trust?.cost ?? file.kind === 'openrouter' },
  };
  return { ...spec, connection: connectionOf(file, at, options), ...(batch && { batch }) };
}

function lanesOf(file: FileChannel, at: At, mistakes: Mistakes): Lane[] {
  if (!file.lanes) return carriesBatch(file) ? ['standard', 'batch'] : ['standard'];
  if (!file.lanes.includes('batch')) return file.lanes;
  if (file.kind !== 'gemini' && file.kind !== 'vertex') {
    mistakes.add([...at, 'lanes'], `must be [standard]: kind ${file.kind} has no batches`);
  } else if (file.kind === 'vertex' && !file.batch?.bucket) {
    mistakes.add([...at, 'lanes'], 'names batch, which needs batch.bucket: gs://bucket/prefix, on Vertex');
  }
  return file.lanes;
}

/** Relays have no batches as a rule, and Vertex needs to be told where they lie. */
function carriesBatch(file: FileChannel): boolean {
  if (file.kind === 'gemini') return file.auth === 'api_key';
  return file.kind === 'vertex' && file.batch?.bucket !== undefined;
}

function batchOf(
  file: FileChannel,
  lanes: readonly Lane[],
  at: At,
  { defaults, mistakes }: BuildOptions,
): BatchPart | undefined {
  const said = 'batch' in file ? file.batch : undefined;
  if (!lanes.includes('batch')) {
    if (said)
      mistakes.add([...at, 'batch'], 'is of no use without batch among the lanes: add it there, or leave it out');
    return undefined;
  }
  const bucket = said && 'bucket' in said ? said.bucket : undefined;
  return {
    slots: said?.slots ?? defaults.batch.slots,
    enqueuedTokens: said?.enqueued_tokens ?? defaults.batch.enqueuedTokens,
    ...(typeof bucket === 'string' && { bucket }),
  };
}

function modelsOf(file: FileChannel, at: At, mistakes: Mistakes): Record<string, ServedModel> {
  const served: Record<string, ServedModel> = {};
  for (const [name, said] of Object.entries(file.models)) {
    const here = [...at, 'models', name];
    const choice = chooseModel(name);
    if (choice.type !== 'model') continue;
    const { model } = choice;
    if (served[model.id]) mistakes.add(here, `is ${model.id}, which stands here already: name it once`);
    served[model.id] = servedOf(file, model, said ?? {}, here, mistakes);
  }
  return served;
}

function nameModels(raw: unknown, at: At, mistakes: Mistakes): void {
  for (const name of Object.keys(mapIn(raw, 'models'))) {
    const choice = chooseModel(name);
    if (choice.type === 'model') continue;
    const names = MODELS.flatMap(({ id, aliases }) => [id, ...aliases]);
    const hint = didYouMean(name, names) || `; known are ${names.join(', ')}`;
    const why = choice.type === 'gone' ? `was shut down: use ${choice.successor}` : `is no model${hint}`;
    mistakes.add([...at, 'models', name], why);
  }
}

function lookForSecrets(raw: unknown, at: At, from: BuildOptions): void {
  for (const [name, reference] of Object.entries(mapIn(raw, 'credentials'))) {
    if (typeof reference !== 'string' || !SECRET_REFERENCE.test(reference)) continue;
    const missing = whatIsMissing(reference, from);
    if (missing) from.mistakes.add([...at, 'credentials', name], missing);
  }
}

function servedOf(file: FileChannel, model: Model, said: FileModel, here: At, mistakes: Mistakes): ServedModel {
  const of = { kind: file.kind, ...(file.kind === 'openrouter' && { shape: file.shape }) };
  const capabilities = capabilitiesOf(of, model, [file.capabilities, said.capabilities]);
  if (!capabilities.sizes.length) {
    mistakes.add(
      here,
      `is left without a size: ${model.id} makes ${model.sizes.join(', ')}, and capabilities allow none`,
    );
  }
  const { per_image: perImage, factor } = said.price ?? {};
  const unpriced = perImage ? capabilities.sizes.filter((size) => !Object.hasOwn(perImage, size)) : [];
  if (unpriced.length) {
    const fix = `add ${unpriced.length > 1 ? 'them' : 'it'}, or leave the size out of capabilities.sizes`;
    mistakes.add([...here, 'price', 'per_image'], `has no price for ${unpriced.join(', ')}: ${fix}`);
  }
  return {
    providerModel: said.id ?? defaultProviderModel(file.kind, model.id),
    limits: limitsOf(said.limits ?? {}),
    capabilities,
    ...(perImage && { price: { perImage } }),
    ...(factor !== undefined && { price: { factor } }),
  };
}

function limitsOf({ rpm, ipm, tpm, rpd, day, concurrency }: NonNullable<FileModel['limits']>): Limits {
  return {
    day: day ?? 'pacific',
    ...(rpm !== undefined && { requestsPerMinute: rpm }),
    ...(ipm !== undefined && { imagesPerMinute: ipm }),
    ...(tpm !== undefined && { tokensPerMinute: tpm }),
    ...(rpd !== undefined && { requestsPerDay: rpd }),
    ...(concurrency !== undefined && { concurrency }),
  };
}

function channelLimitsOf({ limits }: FileChannel): ChannelLimits {
  return {
    ...(limits?.spend_per_10m !== undefined && { spendPerTenMinutes: limits.spend_per_10m }),
    ...(limits?.concurrency !== undefined && { concurrency: limits.concurrency }),
  };
}

function connectionOf(file: FileChannel, at: At, options: BuildOptions): Connection {
  const base = file.base_url === undefined ? {} : { baseUrl: file.base_url };
  const secret = (name: string, reference: string) => secretOf(reference, [...at, 'credentials', name], options);
  if (file.kind === 'vertex') {
    const { project, location } = file;
    return { kind: 'vertex', ...base, project, location, auth: vertexAuth(file.credentials, secret) };
  }
  const apiKey = secret('api_key', file.credentials.api_key);
  if (file.kind === 'gemini') return { kind: 'gemini', ...base, auth: file.auth, apiKey };
  if (file.kind === 'openrouter') return { kind: 'openrouter', ...base, shape: file.shape, apiKey };
  return { kind: 'openai', ...base, apiKey };
}

type VertexFile = Extract<FileChannel, { kind: 'vertex' }>;

function vertexAuth(
  { service_account: account, access_token: token }: VertexFile['credentials'],
  secret: (name: string, reference: string) => Credential,
): VertexConnection['auth'] {
  if (account) return { type: 'service_account', key: secret('service_account', account) };
  return token ? { type: 'access_token', token: secret('access_token', token) } : { type: 'adc' };
}

function secretOf(reference: string, at: At, { env, folder, mistakes }: BuildOptions): Credential {
  return credentialOf(reference, { env, folder, place: mistakes.placeOf(at) });
}
