/** The ways to reach a model that the emulator can be: each has paths, credentials and words of its own. */
export const MODES = ['gemini', 'vertex', 'openrouter', 'openai', 'compatible', 'relay'] as const;

/**
 * `gemini`: Google's own, by key. `vertex`: Google's cloud. `openrouter`. `openai`: OpenAI's images. `compatible`:
 * Google's endpoint in OpenAI's words. `relay`: anybody's copy of Gemini or of a chat, by Bearer.
 */
export type Mode = (typeof MODES)[number];
