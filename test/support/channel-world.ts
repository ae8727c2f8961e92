/** A channel and the emulator in the mode that matches it, for the contract of channels. */

import { type Emulator, type FaultRule, makesImages, type SettingsPatch, startEmulator } from '@darkroom/emulator';
import type { OpenChannel } from '@darkroom/shared/ports';
import type { ChannelUnderTest, Trouble } from '@darkroom/shared/testing/channel-contract';
import { startWireTap } from './wire-tap.ts';

type How = { credentials: 'good' | 'refused'; baseUrl: string };

export type ChannelWorldOptions = Pick<
  ChannelUnderTest,
  'model' | 'unknownModel' | 'unservedModel' | 'secrets' | 'tellsCost' | 'tellsUnknown' | 'tellsRetry'
> & {
  cannot?: readonly Trouble[];
  price?: ChannelUnderTest['price'];
  guessesCost?: boolean;
  listsModels?: boolean;
  request?: ChannelUnderTest['request'];
  settings?: SettingsPatch;
  open: (how: How) => OpenChannel;
  /** Told the emulator once it runs. */
  begin?: (emulator: Emulator) => void;
};

/** A port on which nobody listens, and nobody may. */
const NOWHERE = 'http://127.0.0.1:1';

const FAULTS: Record<Trouble, FaultRule['fault']> = {
  reset: { kind: 'reset' },
  reset_after_billing: { kind: 'reset_after_billing' },
  hang: { kind: 'hang' },
  cut: { kind: 'cut_body', fraction: 0.5 },
  overloaded: { kind: 'overloaded' },
  internal: { kind: 'internal' },
  html_error: { kind: 'bad_gateway', body: 'html' },
  empty_error: { kind: 'unavailable', body: 'empty' },
  deadline: { kind: 'deadline_504' },
  limit: { kind: 'quota_minute', retryMs: 34_000, retryAfter: 34 },
  blocked: { kind: 'blocked', finishReason: 'IMAGE_SAFETY' },
  no_image: { kind: 'no_image' },
  no_usage: { kind: 'missing_usage' },
};

/** Starts an emulator, light and quick, and what records its answers. */
export async function startChannelWorld(options: ChannelWorldOptions): Promise<ChannelUnderTest> {
  const { open, begin, settings, cannot = [], ...rest } = options;
  const emulator = await startEmulator({ settings: { render: 'fast', signature_bytes: 4_096, ...settings } });
  const tap = await startWireTap(emulator.url);
  begin?.(emulator);
  const calls = () => emulator.control.journal().entries.filter(({ route }) => makesImages(route));
  return {
    ...rest,
    cannot,
    open: ({ credentials = 'good', at = 'provider' } = {}) =>
      open({ credentials, baseUrl: at === 'provider' ? tap.url : NOWHERE }),
    strike: (trouble) => emulator.control.putFaults([{ times: 1, fault: FAULTS[trouble] }]),
    calls: () => calls().length,
    charged: () => calls().reduce((sum, { billed }) => sum + (billed?.cost_micros ?? 0), 0),
    lastBody: () => tap.lastBody(),
    close: async () => {
      await tap[Symbol.asyncDispose]();
      await emulator[Symbol.asyncDispose]();
    },
  };
}
