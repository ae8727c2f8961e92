/** Names of the images of one batch on a disk, the same as in its `archive.zip`. */

const EXTENSIONS: Record<string, string> = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' };

/** `KEY.EXT`, asked in the order of the batch: safe on every disk, and unique also where `A` and `a` are one name. */
export function createNames(): (key: string, mime: string) => string {
  const taken = new Set(['manifest.csv', 'errors.txt']);
  return (key, mime) => {
    const base = key
      .replaceAll(':', '_')
      .replace(/^[.-]+/, '_')
      .replace(/\.+$/, '_');
    const extension = EXTENSIONS[mime] ?? 'bin';
    for (let n = 1; ; n++) {
      const name = `${base}${n === 1 ? '' : `~${n}`}.${extension}`;
      if (taken.has(name.toLowerCase())) continue;
      taken.add(name.toLowerCase());
      return name;
    }
  };
}
