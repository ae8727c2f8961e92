/** What is told before, held against what a provider as moody as the real one charges afterwards. */

import { LIFELIKE, startEmulator } from '@darkroom/emulator';
import { estimateCost, MODELS, quoteCap } from '@darkroom/shared/domain';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';

const PROMPT = 'a red mug on an oak table, seen from above, in the light of a late afternoon in autumn';
const CALLS = 200;
const AT_A_TIME = 20;
/** As in life, but for the weight of it. */
const MOODY = { ...LIFELIKE, latency: 0, render: 'fast', longest_side: 16, signature_bytes: 32 } as const;

/** Every model at every level of thinking, and with none asked for; sizes in turn. */
const CASES = MODELS.flatMap((model) =>
  [undefined, ...model.thinking].map((thinking, n) => ({
    model: model.id,
    size: model.sizes[n % model.sizes.length] ?? model.defaultSize,
    thinking,
  })),
);
const shares: number[] = [];

describe('what is estimated', () => {
  it.each(CASES)('covers what $model charges for two hundred at $size, thinking $thinking', async (asked) => {
    const estimated = CALLS * estimateCost({ ...asked, prompt: PROMPT, references: ['a mug'] }, 'standard');

    const billed = await bill(asked);

    shares.push(billed / estimated);
    expect(billed).toBeGreaterThan(0.8 * estimated);
    expect(billed).toBeLessThanOrEqual(quoteCap(estimated, CALLS));
  });

  it('is not passed by thousands of them, and not missed by a tenth', () => {
    const share = shares.reduce((sum, one) => sum + one, 0) / shares.length;

    expect(shares).toHaveLength(CASES.length);
    expect(share).toBeGreaterThan(0.9);
    expect(share).toBeLessThanOrEqual(1);
  });
});

const PICTURE = await sharp({ create: { width: 16, height: 16, channels: 3, background: 'red' } })
  .png()
  .toBuffer();

async function bill({ model, size, thinking }: (typeof CASES)[number]): Promise<number> {
  await using emulator = await startEmulator({ settings: MOODY, seed: `${model} ${size} ${thinking}` });
  const body = JSON.stringify({
    contents: [
      {
        role: 'user',
        parts: [{ text: PROMPT }, { inlineData: { data: PICTURE.toString('base64'), mimeType: 'image/png' } }],
      },
    ],
    generationConfig: {
      ...(model !== 'gemini-2.5-flash-image' && { imageConfig: { imageSize: size } }),
      ...(thinking && { thinkingConfig: { thinkingLevel: thinking } }),
    },
  });
  const headers = { 'x-goog-api-key': 'key', 'content-type': 'application/json' };
  const call = async () => {
    const response = await fetch(`${emulator.url}/v1/models/${model}:generateContent`, {
      method: 'POST',
      headers,
      body,
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(answer);
  };
  for (let n = 0; n < CALLS; n += AT_A_TIME) await Promise.all(Array.from({ length: AT_A_TIME }, call));
  return emulator.control.bill().cost_micros;
}
