/** How large a part of a batch may be. */

export const LINE_BYTES_MAX = 1_048_576;
const CELL_CHARACTERS_MAX = 65_536;
/** Keys are held in memory, so that none comes twice. */
export const ROWS_MAX = 1_000_000;
/** As `key_column`: rows are numbered. */
export const NUMBERED = '#';

export function cellTooLong(cell: string): boolean {
  return cell.length > CELL_CHARACTERS_MAX;
}
