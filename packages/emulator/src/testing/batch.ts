/** Batches for tests: their input, and their output by hand. */
import type { Course } from '../faults/course.ts';
import type { Emulator } from '../server.ts';
import { MODEL } from './client.ts';
import { call, upload } from './upload.ts';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** Stands still until it is moved on, with pictures that cost nothing to draw. */
export const STOPPED = { clock_scale: 0, render: 'fast', signature_bytes: 64 } as const;

export const request = (prompt: string) => ({
  contents: [{ parts: [{ text: prompt }] }],
  generationConfig: { responseModalities: ['TEXT', 'IMAGE'], imageConfig: { imageSize: '1K' } },
});

/** JSONL with one line for each key. */
export function jsonl(keys: readonly string[], prompt = (key: string) => `picture of ${key}`): string {
  return keys.map((key) => `${JSON.stringify({ key, request: request(prompt(key)) })}\n`).join('');
}

export const keysTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `row-${i + 1}`);

export type Operation = {
  name: string;
  done?: boolean;
  error?: { code: number; message: string };
  metadata: {
    state: string;
    displayName: string;
    batchStats: Record<string, string>;
    createTime: string;
    endTime?: string;
    output?: Record<string, unknown>;
  };
  response?: Record<string, unknown>;
};

export function create(
  emulator: Emulator,
  options: {
    keys?: readonly string[];
    file?: string;
    displayName?: string;
    batch?: object;
    model?: string;
    key?: string;
  } = {},
): Promise<Response> {
  const { file, displayName = 'a batch', batch = {}, model = MODEL, key } = options;
  const inputConfig = file === undefined ? {} : { inputConfig: { fileName: file } };
  const body = { batch: { displayName, ...inputConfig, ...batch } };
  return call(emulator, 'POST', `v1beta/models/${model}:batchGenerateContent`, body, key);
}

/** Uploads a line for each key and creates a batch of them, which must succeed. Returns the batch's id. */
export async function batchOf(
  emulator: Emulator,
  keys: readonly string[],
  options: { displayName?: string; prompt?: (key: string) => string } = {},
): Promise<string> {
  const file = await upload(emulator, jsonl(keys, options.prompt));
  const named = options.displayName === undefined ? {} : { displayName: options.displayName };
  const response = await create(emulator, { file: file['name'] ?? '', ...named });
  if (!response.ok) throw new Error(`no batch: ${response.status} ${await response.text()}`);
  const { name } = (await response.json()) as Operation;
  return name.slice('batches/'.length);
}

export async function operation(emulator: Emulator, id: string): Promise<Operation> {
  return (await (await call(emulator, 'GET', `v1beta/batches/${id}`)).json()) as Operation;
}

export async function stateOf(emulator: Emulator, id: string): Promise<string> {
  return (await operation(emulator, id)).metadata.state;
}

export function download(emulator: Emulator, id: string): Promise<Response> {
  return call(emulator, 'GET', `download/v1beta/files/batch-${id}:download?alt=media`);
}

export type ResultLine = {
  key?: string;
  error?: { code: number; message: string };
  response?: { candidates?: { finishReason?: string; content?: { parts?: object[] } }[]; responseId: string };
};

/** The output of a batch, line by line. */
export async function results(emulator: Emulator, id: string): Promise<ResultLine[]> {
  const response = await download(emulator, id);
  if (!response.ok) throw new Error(`no output: ${response.status} ${await response.text()}`);
  const text = await response.text();
  return text
    .split('\n')
    .filter(Boolean)
    .map((line): ResultLine => JSON.parse(line));
}

/** An emulator's fault script that gives every new batch this course. */
export const course = (course: Course) => [{ fault: { kind: 'course', ...course } as const }];
