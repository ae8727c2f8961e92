export * from './gemini/index.ts';
export * from './vertex/index.ts';
