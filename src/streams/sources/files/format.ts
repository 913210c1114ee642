/**
 * The port between files and what is in them: how the bytes of a file become records.
 *
 * @module
 */
import type { Effect } from "effect";
import type { SourceError } from "../../errors.ts";
import type { Records } from "../formats/records.ts";
import type { ByteReader, FileOfSource } from "./file-bytes.ts";

/** How the bytes of a file become records. */
export interface Format<A> {
  /**
   * Reads what stands before the first record, with which `head` begins. `null` when it is not there yet; `isWhole` says
   * that nothing more will come.
   */
  readonly begin: (
    of: FileOfSource,
    head: ByteReader,
    isWhole: boolean,
  ) => Effect.Effect<Beginning<A> | null, SourceError>;
}

/** What stands before the first record of a file. */
export interface Beginning<A> {
  /** Where the first record begins. */
  readonly offset: number;
  /** The records from an offset on. */
  readonly records: (from: number) => Records<A>;
}
