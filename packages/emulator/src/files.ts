/** Generated files that clients can download: what a test put there. */

type StoredFile = { name: string; mimeType: string; bytes: Buffer };

export type Files = {
  put(file: StoredFile): void;
  get(id: string): StoredFile | undefined;
};

const FILES_MAX = 100;

/** Keeps the latest files, in memory. Ids come without their `files/`. */
export function createFiles(): Files {
  const files = new Map<string, StoredFile>();
  return {
    put(file) {
      files.delete(file.name);
      files.set(file.name, file);
      const [oldest] = files.keys();
      if (files.size > FILES_MAX && oldest !== undefined) files.delete(oldest);
    },
    get: (id) => files.get(id),
  };
}
