/** `count` replies, or undefined while they are not all there. */
export function parseReplies(buffer: Buffer, count: number): unknown[] | undefined;
