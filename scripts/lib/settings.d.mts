type Env = Record<string, string | undefined>;

export type Settings = {
  env: Record<string, string>;
  dataDir: string;
  logDir: string;
  port: number;
  host: string;
  drainMs: number;
  channelsFile: string | undefined;
  /** Nothing says where models are reached. */
  emulated: boolean;
  /** Where the emulator listens beside a channels file. */
  emulatorPort: number | undefined;
  showLogs: boolean;
};

/** The environment, an empty variable counted as unset. */
export function readSettings(given: Env, cwd: string): Settings;

/** The environments of the API and the worker: each gets the secrets that it needs. */
export function programEnvs(
  settings: Settings,
  given: {
    redisUrl: string;
    geminiUrl?: string;
    port: number;
    metricsPort: number;
    apiKey: string;
    secret: string;
    channelSecrets: string[];
  },
): { api: Env; worker: Env };

/** The environment of the emulator. */
export function emulatorEnv(settings: Settings, given: { port: number; channelSecrets: string[] }): Env;

/** The variables in which channels have their secrets; throws one message with every mistake of every program. */
export function checkEnvironment(node: string, settings: Settings): Promise<string[]>;
