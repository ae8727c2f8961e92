import type { Command } from 'commander';
import { collect } from '../collect.ts';
import type { Open } from '../context.ts';
import { exitOf } from '../follow.ts';

export function addDownload(program: Command, open: Open, end: (code: number) => void): void {
  program
    .command('download')
    .argument('<batch>')
    .argument('[folder]', 'for the images and the manifest; without it, one named like the batch')
    .option('--contact-sheet <file>', 'write one page of all images too')
    .description('bring the images here that are made so far; run again, it brings the others')
    .action(async (id: string, folder: string | undefined, { contactSheet }: { contactSheet?: string }) => {
      const context = open();
      const batch = await collect(context, id, { folder: folder ?? id, contactSheet });
      context.print(batch);
      end(exitOf(batch));
    });
}
