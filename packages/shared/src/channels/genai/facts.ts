import type { JobRequest } from '../../domain/job.ts';
import type { SpanFacts } from '../../observability/trace.ts';

/** What a trace tells of a call. */
export function factsOf({ model, references }: JobRequest, to: { provider: string; host: string }): SpanFacts {
  return {
    'gen_ai.operation.name': 'generate_content',
    'gen_ai.provider.name': to.provider,
    'gen_ai.request.model': model,
    'server.address': to.host,
    'darkroom.references': references.length,
  };
}
