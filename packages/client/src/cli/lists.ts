/** An option that may be repeated; each time it takes one value, so that it never swallows an argument. */
export function list(value: string, before: string[] = []): string[] {
  return [...before, value];
}
