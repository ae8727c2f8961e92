/** The bare thing: csv-parse and zod over a file, every row an object that was checked. */

import { createReadStream } from 'node:fs';
import { BatchItemBody } from '@darkroom/shared/schemas';
import { parse } from 'csv-parse';

const file = process.env['CSV_FILE'] ?? '';

process.on('message', ({ ask }: { ask?: string }) => {
  if (ask === 'parse') void readAll().then((rows) => process.send?.({ answer: rows }));
});

async function readAll(): Promise<number> {
  let rows = 0;
  for await (const record of createReadStream(file).pipe(parse({ columns: true, bom: true }))) {
    const { 'metadata.sku': sku, ...fields } = record as Record<string, string>;
    BatchItemBody.parse({ ...fields, metadata: { sku } });
    rows++;
  }
  return rows;
}
