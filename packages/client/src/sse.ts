/** One server-sent event; `data` is absent where only a place to resume at is told. */
export type ServerSent = { id?: string; data?: string };

/** The messages of a stream of server-sent events; comments are left out. */
export async function* readServerSent(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const message = parseBlock(block);
      if (message.id !== undefined || message.data !== undefined) yield message;
    }
  }
}

function parseBlock(block: string): ServerSent {
  const fields = block.split(/\r?\n/).flatMap((line) => {
    const [, name, value] = /^(id|data): ?(.*)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [{ name, value }];
  });
  const id = fields.findLast(({ name }) => name === 'id')?.value;
  const data = fields.filter(({ name }) => name === 'data').map(({ value }) => value);
  return { ...(id !== undefined && { id }), ...(data.length && { data: data.join('\n') }) };
}
