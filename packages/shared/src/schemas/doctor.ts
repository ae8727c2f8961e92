/** The answer of `/v1/doctor`, and of `npm run doctor -- --json`. */

import { z } from 'zod';

const Level = z.enum(['ok', 'warning', 'problem']);

export const FindingView = z
  .object({
    group: z.string().meta({ description: 'What it belongs to, such as Redis or a channel.' }),
    name: z.string(),
    level: Level.meta({ description: 'problem: jobs fail or are lost. warning: they may be, or soon will.' }),
    what: z.string().meta({ description: 'What was found, in one line.' }),
    fix: z.string().optional().meta({ description: 'How to mend it, in one line; unless all is well.' }),
  })
  .meta({ id: 'Finding' });
export type FindingView = z.output<typeof FindingView>;

export const DoctorView = z
  .object({ status: Level.meta({ description: 'The worst of all findings.' }), findings: z.array(FindingView) })
  .meta({ id: 'Doctor', description: 'How this installation is, as looked at now.' });
export type DoctorView = z.output<typeof DoctorView>;
