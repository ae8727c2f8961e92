import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { JobView, SubmitJobInput } from '@darkroom/shared/schemas';
import type { Command } from 'commander';
import type { Context, Open } from '../context.ts';
import { parseDeadline } from '../deadline.ts';
import { EXIT, Exit } from '../exit.ts';
import { describeJob } from '../words.ts';

type SubmitOptions = {
  model?: string;
  size?: string;
  ratio?: string;
  lane?: SubmitJobInput['lane'];
  deadline?: string;
  reference?: string[];
  out?: string;
  wait?: boolean;
};

const OPEN: ReadonlySet<string> = new Set(['queued', 'running']);

export function addJobs(program: Command, open: Open, end: (code: number) => void): void {
  program
    .command('submit')
    .argument('<prompt>')
    .description('make one image')
    .option('--model <model>')
    .option('--size <size>', '512, 1K, 2K or 4K')
    .option('--ratio <ratio>', 'such as 4:5')
    .option('--lane <lane>', 'auto, standard or batch')
    .option('--deadline <time>', '07:00, 8h, or RFC 3339')
    .option('--reference <url...>', 'addresses, or ids of assets and images')
    .option('--out <file>', 'wait, and write the image here')
    .option('--wait', 'wait for the end')
    .action(async (prompt: string, options: SubmitOptions) => {
      const context = open();
      const job = await context.client.submitJob(toJob(prompt, options), {
        idempotencyKey: randomUUID(),
        signal: context.signal,
      });
      const wait = options.wait || options.out;
      end(await finish(context, wait ? await untilEnd(context, job) : job, options.out));
    });
  program
    .command('get')
    .argument('<job>')
    .description('show a job, and collect its image')
    .option('--out <file>', 'wait, and write the image here')
    .action(async (id: string, { out }: { out?: string }) => {
      const context = open();
      const job = await context.client.getJob(id, { signal: context.signal });
      end(await finish(context, out ? await untilEnd(context, job) : job, out));
    });
}

function toJob(prompt: string, { model, size, ratio, lane, deadline, reference = [] }: SubmitOptions): SubmitJobInput {
  return {
    prompt,
    ...(model && { model }),
    ...(size && { size }),
    ...(ratio && { aspect_ratio: ratio }),
    ...(lane && { lane }),
    ...(deadline && { deadline: parseDeadline(deadline, new Date()) }),
    ...(reference.length && { references: reference.map(toReference) }),
  };
}

function toReference(source: string): NonNullable<SubmitJobInput['references']>[number] {
  if (source.startsWith('ast_')) return { asset: source };
  if (source.startsWith('img_')) return { image: source };
  return source.startsWith('gs://') ? { gcs_uri: source } : { url: source };
}

async function untilEnd({ client, signal, say }: Context, job: JobView): Promise<JobView> {
  let now = job;
  if (OPEN.has(now.status)) say(`${job.id} is on its way …`);
  while (OPEN.has(now.status)) now = await client.getJob(job.id, { waitSeconds: 30, signal });
  return now;
}

async function finish({ client, signal, say, print }: Context, job: JobView, out: string | undefined): Promise<number> {
  print(job);
  say(describeJob(job));
  if (job.error) say(`  ${job.error.detail}`);
  if (out) {
    const [image] = job.images;
    if (!image) throw new Exit(EXIT.partial, `${job.id} has no image: ${job.error?.detail ?? job.status}`);
    const response = await client.download(image.url, { signal });
    await writeFile(out, Buffer.from(await response.arrayBuffer()));
    say(`  ${out}  ${image.width} × ${image.height}, ${image.mime}`);
  }
  return OPEN.has(job.status) || job.status === 'succeeded' ? EXIT.ok : EXIT.partial;
}
