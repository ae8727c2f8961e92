/** In words what kept a file from being read, to follow its name: `names the file /etc/key, which is not there`. */
export function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
  return REASONS[code] ?? `cannot be read (${code})`;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'is not there: put it there, or mend the path',
  ENOTDIR: 'is not there: a part of its path is a file',
  EISDIR: 'is a folder: name a file in it',
  EACCES: 'this program may not read: let its user read it',
};
