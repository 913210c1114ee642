/**
 * What every format of records offers to whoever has the bytes.
 *
 * @module
 */
import type { Rejected } from "../../source.ts";

/** What decodes to no record at all, such as a blank line. */
export const blank: unique symbol = Symbol("blank");

/** Cuts bytes into records and decodes them. Use: `while (!next()) filled(read into space())` until `ended`. */
export interface Records<A> {
  /** The offset after the current record. */
  readonly position: number;
  /** Whether there are no more bytes and no more records. */
  readonly ended: boolean;
  /** Where the next bytes are to be put. Only when {@link next} has returned false. */
  space(): Uint8Array<ArrayBuffer>;
  /** Tells how many bytes were put into {@link space}; 0 at the end. */
  filled(count: number): void;
  /** Moves on to the next record, or returns false when more bytes are needed or there are none. */
  next(): boolean;
  /** The current record. */
  decode(): A | Rejected | typeof blank;
}

/** Records out of a stream of bytes, whose beginning may be wrong as a whole. */
export interface StreamedRecords<A> extends Records<A> {
  /** Why there are no more records, though there are more bytes. */
  readonly wrong?: string | null;
}
