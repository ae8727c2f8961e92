export * from './channel-connection.ts';
export * from './channels.ts';
export * from './common.ts';
export * from './derived-key.ts';
export * from './env.ts';
export * from './shares.ts';
