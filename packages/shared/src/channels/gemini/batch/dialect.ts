import type { Dialect } from './batches.ts';
import { batchPath, filePath } from './names.ts';
import { toRemoteBatch } from './operation.ts';

/** Batches as the Gemini API has them: long-running operations. @param nameOf what the provider calls a model */
export function geminiDialect(nameOf: (model: string) => string): Dialect {
  return {
    path: 'batches',
    entries: 'operations',
    pathOf: batchPath,
    creation: ({ model, fileName, displayName }) => ({
      path: `models/${encodeURIComponent(nameOf(model))}:batchGenerateContent`,
      body: { batch: { inputConfig: { fileName: filePath(fileName) }, displayName } },
    }),
    toRemoteBatch,
  };
}
