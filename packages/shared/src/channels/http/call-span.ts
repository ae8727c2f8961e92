/** One paid call in a trace. */

import type { JobRequest } from '../../domain/job.ts';
import { failSpan, type SpanFacts, tellSpan, withSpan } from '../../observability/trace.ts';
import type { Exchange } from '../../ports/channel.ts';

/** Runs `call` in a client's span named `name`, which is told how it ended. */
export function inCallSpan(name: string, facts: SpanFacts, call: () => Promise<Exchange>): Promise<Exchange> {
  return withSpan(name, { kind: 'client', facts }, async () => {
    const ended = await call();
    tellEnd(ended);
    return ended;
  });
}

function tellEnd(ended: Exchange): void {
  if (ended.type !== 'answered') return failSpan(ended.type);
  const { httpStatus: status } = ended.answer;
  tellSpan({ 'http.response.status_code': status });
  if (status >= 300) failSpan(String(status));
}

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
