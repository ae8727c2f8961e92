export * from './csv.ts';
export * from './lines.ts';
export * from './utf8.ts';
