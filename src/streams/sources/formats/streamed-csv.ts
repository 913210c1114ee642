/**
 * Comma-separated values that come in a stream: the header is a record like any other, only the first.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import type { Rejected } from "../../source.ts";
import { blank, type Records } from "../files/batches.ts";
import { CsvRecords, inWords, neededColumns, wrongColumns } from "../csv.ts";
import { Rows } from "./rows.ts";
import { type ValueDecoder, valueDecoder } from "./value-decoder.ts";

/** Records out of a stream of bytes. */
export interface StreamedRecords<A> extends Records<A> {
  /** Why there are no more records, though there are more bytes. */
  readonly wrong?: string | null;
}

/** Records of CSV under a header. */
export class StreamedCsv<A> implements StreamedRecords<A> {
  wrong: string | null = null;
  readonly #rows: Rows;
  readonly #needed: ReadonlyArray<string>;
  readonly #decoder: ValueDecoder<A>;
  #records: CsvRecords<A> | null = null;

  constructor(schema: Schema.ConstraintDecoder<A>, recordBytesMax: number) {
    this.#rows = new Rows(0, ",", recordBytesMax);
    this.#needed = neededColumns(schema);
    this.#decoder = valueDecoder(schema);
  }

  get position(): number {
    return this.#rows.position;
  }

  get ended(): boolean {
    return this.#rows.ended;
  }

  space(): Uint8Array<ArrayBuffer> {
    return this.#rows.space();
  }

  filled(count: number): void {
    this.#rows.filled(count);
  }

  next(): boolean {
    return this.wrong === null && this.#rows.next();
  }

  decode(): A | Rejected | typeof blank {
    if (this.#records !== null) return this.#records.decode();
    const { cells, problem } = this.#rows;
    const wrong = cells === null ? inWords(problem!, []) : wrongColumns(cells, this.#needed);
    if (wrong === null) {
      this.#records = new CsvRecords(this.#rows, cells!, this.#decoder.decodeValue);
    } else {
      this.wrong =
        `its header must name each column once and all that the schema needs: current value is one that ${wrong}`;
    }
    return blank;
  }
}
