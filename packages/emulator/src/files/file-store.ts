/** The files of all projects: what was uploaded, and what batches put out. Each is gone when its time is over. */
import type { Clock } from '../clock.ts';
import { letters } from '../ids.ts';
import type { Content } from './content.ts';

type FileSource = 'UPLOADED' | 'GENERATED';

export type StoredFile = {
  /** Grows with each file. */
  n: number;
  /** Without its `files/`. */
  id: string;
  /** None = everybody's. */
  project: string | undefined;
  displayName: string | undefined;
  mimeType: string;
  /** Not known of what is made only while it is read. */
  sizeBytes: number | undefined;
  sha256Hex: string | undefined;
  source: FileSource;
  createdAt: number;
  /** PROCESSING until then, ACTIVE after. */
  activeAt: number;
  expiresAt: number;
  content: Content;
};

type NewFile = Omit<StoredFile, 'n'>;

export type FileStore = {
  /** Keeps a file until it expires. `undefined` = another one has its id. */
  add(file: NewFile): StoredFile | undefined;
  /** The id is taken, by whatever project. */
  has(id: string): boolean;
  /** The file, unless it is gone or another project's. */
  get(id: string, project: string): StoredFile | undefined;
  /** An id that no file had yet. */
  newId(): string;
  /** Those a project can see, oldest first. */
  list(project: string): StoredFile[];
  /** Bytes of a project's uploads. */
  usedBytes(project: string): number;
  /** False = there was none. */
  remove(id: string): boolean;
};

/** Beyond this many the oldest go, as if their time was over. */
const FILES_MAX = 10_000;
const ID_LENGTH = 12;

export function createFileStore(seed: string, clock: Clock): FileStore {
  const files = new Map<string, StoredFile & { forget: () => void }>();
  let last = 0;
  let lastId = 0;

  function remove(id: string): boolean {
    const file = files.get(id);
    if (!file) return false;
    files.delete(id);
    file.forget();
    file.content.remove();
    return true;
  }

  const isOf = (project: string) => (file: StoredFile) => (file.project ?? project) === project;

  return {
    add(file) {
      if (files.has(file.id)) return undefined;
      last += 1;
      const stored = { n: last, ...file, forget: clock.at(file.expiresAt, () => remove(file.id)) };
      files.set(file.id, stored);
      const [oldest] = files.keys();
      if (files.size > FILES_MAX && oldest !== undefined) remove(oldest);
      return stored;
    },
    has: (id) => files.has(id),
    get(id, project) {
      const file = files.get(id);
      return file && isOf(project)(file) ? file : undefined;
    },
    newId() {
      lastId += 1;
      return letters(ID_LENGTH, seed, 'file', lastId);
    },
    list: (project) => [...files.values()].filter(isOf(project)),
    usedBytes: (project) =>
      [...files.values()]
        .filter((file) => file.source === 'UPLOADED' && isOf(project)(file))
        .reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0),
    remove,
  };
}
