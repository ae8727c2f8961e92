export { createCsvReader, createNdjsonReader, fromItem, type IncomingRow, type RowReader } from './read-rows.ts';
