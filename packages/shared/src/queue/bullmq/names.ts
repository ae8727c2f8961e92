/** One queue per model, so that a limit on one model stops nothing else. */

export function queueName(model: string): string {
  return `standard-${model}`;
}

/** All keys of a queue share one hash tag, as BullMQ needs in a cluster. */
export function queuePrefix(prefix: string, model: string): string {
  return `${prefix}{q:${queueName(model)}}`;
}
