import { z } from 'zod';
import { check } from '../schemas/index.ts';

/** A value that no log, error or JSON ever shows. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '[secret]';
  }
  toJSON(): string {
    return '[secret]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

export function secret(minLength: number) {
  return z
    .string()
    .min(minLength, `must have at least ${minLength} characters`)
    .transform((value) => new Secret(value));
}

/** Every mistake in the environment, one line each. */
export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** The environment as `schema` says it is; an empty variable counts as unset. @throws ConfigError naming every mistake at once */
export function parseEnv<S extends z.ZodObject>(schema: S, env: Record<string, string | undefined>): z.output<S> {
  const known = Object.keys(schema.shape);
  const given = Object.fromEntries(known.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  const { data, faults } = check(schema, given);
  if (!faults) return data;
  throw new ConfigError(faults.map(({ path, message }) => `${path} ${message}`));
}

/** One row of the configuration table. */
export type EnvRow = { name: string; default: string; description: string };

/** What a schema knows about its variables, for the README. */
export function describeEnv(schema: z.ZodObject): EnvRow[] {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const required = new Set(json.required ?? []);
  return Object.entries(json.properties ?? {}).map(([name, property]) => {
    const { default: value, description = '' } = property as { default?: unknown; description?: string };
    return {
      name,
      default: value === undefined ? (required.has(name) ? 'required' : '') : JSON.stringify(value).replaceAll('"', ''),
      description,
    };
  });
}
