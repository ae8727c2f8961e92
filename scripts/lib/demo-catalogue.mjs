/** A small shop's catalogue, drawn and written here: nothing is fetched, and every run makes the same one. */

import sharp from 'sharp';

const COLORS = [
  ['terracotta', '#c8643c'],
  ['sage', '#8aa382'],
  ['ink blue', '#2f4a6d'],
  ['mustard', '#d9a441'],
  ['blush', '#dba7a0'],
  ['graphite', '#4a4d52'],
  ['oat', '#d8c9ae'],
  ['plum', '#6d3b5e'],
];

const MATERIALS = ['stoneware', 'oak', 'brushed steel', 'linen', 'glass'];

/** Outlines on a canvas of 400, drawn in the product's colour. */
const SHAPES = {
  mug: '<rect x="110" y="120" width="150" height="180" rx="22"/><path d="M260 160h30a38 38 0 0 1 0 100h-30" fill="none" stroke-width="22"/>',
  vase: '<path d="M165 90h70l-14 60c60 40 66 150 8 180h-58c-58-30-52-140 8-180z"/>',
  lamp: '<path d="M130 90h140l40 110H90z"/><rect x="190" y="200" width="20" height="110"/><rect x="140" y="305" width="120" height="18" rx="9"/>',
  stool:
    '<rect x="110" y="140" width="180" height="30" rx="15"/><path d="M140 170l-24 150M260 170l24 150M200 170v150" stroke-width="16" fill="none"/>',
  bowl: '<path d="M80 180h240c0 80-50 130-120 130S80 260 80 180z"/>',
};

/** Rows with something wrong, for the dry run to find: what is wrong, and how a careless export looks. */
const MISTAKES = [
  ['no-name', { name: '' }],
  ['wrong-size', { size: '9K' }],
  ['wrong-ratio', { aspect_ratio: '5:9' }],
  ['Key with blanks', {}],
];

/** @returns pictures as PNG by name of the shape and colour, 40 of them */
export async function drawPictures() {
  const kinds = Object.keys(SHAPES).flatMap((shape) => COLORS.map(([color, hex]) => ({ shape, color, hex })));
  const drawn = await Promise.all(
    kinds.map(async ({ shape, color, hex }) => [`${color} ${shape}`, await draw(shape, hex)]),
  );
  return new Map(drawn);
}

function draw(shape, hex) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="400" height="400" viewBox="0 0 400 400">
    <defs><radialGradient id="g" cx=".35" cy=".3" r="1"><stop offset="0" stop-color="#fdfbf7"/><stop offset="1" stop-color="#e4ded3"/></radialGradient></defs>
    <rect width="400" height="400" fill="url(#g)"/><ellipse cx="205" cy="326" rx="120" ry="14" fill="#0002"/>
    <g fill="${hex}" stroke="${hex}">${SHAPES[shape]}</g></svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}

/**
 * The catalogue as CSV: `rows` products and a few rows with mistakes.
 *
 * @param {Map<string, string>} assets ids of the uploaded pictures
 */
export function writeCatalogue(rows, assets) {
  const products = Array.from({ length: rows }, (_, n) => product(n, assets));
  const bad = MISTAKES.map(([key, mistake], n) => ({ ...product(n, assets), key, ...mistake }));
  const table = [...products.slice(0, 60), ...bad, ...products.slice(60)];
  const columns = Object.keys(table[0]);
  return `${[columns, ...table.map((row) => columns.map((column) => row[column]))].map((cells) => cells.map(quote).join(',')).join('\n')}\n`;
}

function product(n, assets) {
  const shapes = Object.keys(SHAPES);
  const shape = shapes[n % shapes.length];
  const [color] = COLORS[Math.floor(n / shapes.length) % COLORS.length];
  const material = MATERIALS[Math.floor(n / (shapes.length * COLORS.length)) % MATERIALS.length];
  return {
    key: `sku-${String(n + 1).padStart(4, '0')}`,
    name: `${material} ${shape}`,
    color,
    material,
    photo: assets.get(`${color} ${shape}`),
    size: '',
    aspect_ratio: '',
  };
}

function quote(cell = '') {
  return /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
