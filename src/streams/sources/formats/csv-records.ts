/**
 * Records of CSV by the names of their columns.
 *
 * @module
 */
import { Rejected } from "../../source.ts";
import type { Records } from "./records.ts";
import { type Problem, Rows } from "./rows.ts";
import { Undecodable, type ValueDecoder } from "./value-decoder.ts";

/** A record of CSV: text by the names of the columns. */
export interface CsvRecord {
  /** The text of a field, as it is in the file. */
  readonly [column: string]: string | undefined;
}

/** Records of CSV out of blocks of bytes. */
export class CsvRecords<A> extends Rows implements Records<A> {
  readonly #decode: (rows: Rows) => A | Rejected;

  /** Starts at an offset at which a record begins, with a {@link rowDecoder}. */
  constructor(from: number, delimiter: string, recordBytesMax: number, decode: (rows: Rows) => A | Rejected) {
    super(from, delimiter, recordBytesMax);
    this.#decode = decode;
  }

  decode(): A | Rejected {
    return this.#decode(this);
  }
}

/** Decodes the current row of a file whose columns are known. What cannot be decoded is a rejection. */
export const rowDecoder = <A>(
  columns: ReadonlyArray<string>,
  decodeValue: ValueDecoder<A>["decodeValue"],
): (rows: Rows) => A | Rejected => {
  // Assigning this one name would set the prototype.
  const recordOf: (cells: ReadonlyArray<string>) => CsvRecord = columns.includes("__proto__")
    ? (cells) => Object.fromEntries(columns.map((column, i) => [column, cells[i]]))
    : (cells) => {
      const record: Record<string, string> = {};
      for (let i = 0; i < columns.length; i++) record[columns[i]] = cells[i];
      return record;
    };
  return (rows) => {
    const { cells, problem } = rows;
    if (cells === null) return rejected(rows, problemWords(problem!, columns));
    if (cells.length !== columns.length) {
      const missing = cells.length < columns.length ? `: "${columns[cells.length]}" is the first that is missing` : "";
      return rejected(rows, `has ${cells.length} columns and not ${columns.length} as the header${missing}`);
    }
    const value = decodeValue(recordOf(cells));
    return value instanceof Undecodable ? rejected(rows, value.reason) : value;
  };
};

const rejected = (rows: Rows, reason: string): Rejected =>
  new Rejected(`${reason} (record at byte ${rows.offset})`, rows.raw(), rows.rawLength);

/** What is wrong with a row that is no record. */
export const problemWords = ({ words, column }: Problem, columns: ReadonlyArray<string>): string => {
  if (column === null) return words;
  const name = columns[column - 1];
  return `${words}, in column ${column}${name === undefined ? "" : ` ("${name}")`}`;
};
