/** Money: integer millionths of a US dollar inside, a decimal string on the wire. */

import type { Micros } from './job.ts';

const DECIMAL = /^\d{1,9}(\.\d{1,6})?$/;

/** `134000` → `"0.134"`, `40000` → `"0.04"`, `0` → `"0.00"`: at least two decimals, at most six. */
export function formatMicros(micros: Micros): string {
  const sign = micros < 0 ? '-' : '';
  const whole = Math.floor(Math.abs(micros) / 1_000_000);
  const fraction = String(Math.abs(micros) % 1_000_000).padStart(6, '0');
  return `${sign}${whole}.${fraction.slice(0, 2)}${fraction.slice(2).replace(/0+$/, '')}`;
}

/** `"0.30"` → `300000`; `undefined` for anything but a plain decimal of at most six places. */
export function parseMicros(text: string): Micros | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const [whole = '0', fraction = ''] = text.split('.');
  return Number(whole) * 1_000_000 + Number(fraction.padEnd(6, '0'));
}
