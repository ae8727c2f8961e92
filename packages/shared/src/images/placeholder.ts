/** A labelled image that stands for one nobody made: grey, with one word, so that it is taken for nothing else. */

/** Rows of five bits a letter. No font is needed, which a server may not have. */
const GLYPHS: Readonly<Record<string, readonly number[]>> = {
  P: [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000],
  L: [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
  A: [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
  C: [0b01111, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b01111],
  E: [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
  H: [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
  O: [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
  D: [0b11110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11110],
  R: [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001],
};
const LABEL = 'PLACEHOLDER';
const ADVANCE = 6;
const GLYPH_HEIGHT = 7;
/** Cells around the word, on each side. */
const MARGIN = 4;
const PAPER = 0xd0;
const INK = 0x60;
const LONG_SIDE = 1_024;

/**
 * A PNG of the ratio, 1,024 pixels on its longer side.
 *
 * @param ratio width to height, such as `16:9`; anything else is a square
 */
export async function drawPlaceholder(ratio?: string): Promise<{ bytes: Buffer; width: number; height: number }> {
  const [w = 1, h = 1] = (/^\d+:\d+$/.test(ratio ?? '') ? (ratio ?? '') : '1:1').split(':').map(Number);
  const scale = LONG_SIDE / Math.max(w, h);
  const [width, height] = [Math.round(w * scale), Math.round(h * scale)];
  const label = drawLabel();
  const { default: sharp } = await import('sharp');
  const fitted = await sharp(label.cells, { raw: { width: label.width, height: label.height, channels: 1 } })
    .resize({ width, height, fit: 'contain', kernel: 'nearest', background: { r: PAPER, g: PAPER, b: PAPER } })
    .png({ palette: true })
    .toBuffer();
  return { bytes: fitted, width, height };
}

function drawLabel(): { cells: Buffer; width: number; height: number } {
  const width = LABEL.length * ADVANCE - 1 + 2 * MARGIN;
  const height = GLYPH_HEIGHT + 2 * MARGIN;
  const cells = Buffer.alloc(width * height, PAPER);
  LABEL.split('').forEach((letter, n) => {
    GLYPHS[letter]?.forEach((row, y) => {
      for (let x = 0; x < 5; x++) {
        if (row & (1 << (4 - x))) cells[(MARGIN + y) * width + MARGIN + n * ADVANCE + x] = INK;
      }
    });
  });
  return { cells, width, height };
}
