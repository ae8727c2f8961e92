import type { JobView, SubmitJobInput } from '@darkroom/shared/schemas';
import type { Command } from 'commander';
import { save } from '../collect.ts';
import type { Context, Open } from '../context.ts';
import { parseDeadline } from '../deadline.ts';
import { EXIT, Exit } from '../exit.ts';
import { list } from '../lists.ts';
import { submitOnce } from '../submit-once.ts';
import { isOpen, untilJobOver } from '../until-job-over.ts';
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
  idempotencyKey?: string;
};

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
    .option('--reference <url>', 'an address, or the id of an asset or image; may be repeated', list)
    .option('--idempotency-key <key>', 'of an earlier try: what it made is not made again')
    .option('--out <file>', 'wait, and write the image here')
    .option('--wait', 'wait for the end')
    .action(async (prompt: string, options: SubmitOptions) => {
      const context = open();
      const body = toJob(prompt, options);
      const job = await submitOnce(context, { ...options, deadline: body.deadline }, (idempotencyKey) =>
        context.client.submitJob(body, { idempotencyKey, signal: context.signal }),
      );
      const wait = options.wait || options.out;
      end(await finish(context, wait ? await untilJobOver(context, job) : job, options.out));
    });
  program
    .command('get')
    .argument('<job>')
    .description('show a job, and collect its image')
    .option('--out <file>', 'wait, and write the image here')
    .action(async (id: string, { out }: { out?: string }) => {
      const context = open();
      const job = await context.client.getJob(id, { signal: context.signal });
      end(await finish(context, out ? await untilJobOver(context, job) : job, out));
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

async function finish(context: Context, job: JobView, out: string | undefined): Promise<number> {
  const { say, print } = context;
  print(job);
  say(describeJob(job));
  if (job.error) say(`  ${job.error.detail}`);
  if (out) {
    const [image] = job.images;
    if (!image) throw new Exit(EXIT.partial, `${job.id} has no image: ${job.error?.detail ?? job.status}`);
    await save(context, image.url, out);
    say(`  ${out}  ${image.width} × ${image.height}, ${image.mime}`);
  }
  return isOpen(job) || job.status === 'succeeded' ? EXIT.ok : EXIT.partial;
}
