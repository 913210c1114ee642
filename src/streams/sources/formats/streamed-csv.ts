/**
 * Comma-separated values that come in a stream: the header is a record like any other, only the first.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import type { Rejected } from "../../source.ts";
import { neededColumns, wrongColumns } from "./csv-columns.ts";
import { problemWords, rowDecoder } from "./csv-records.ts";
import { blank, type StreamedRecords } from "./records.ts";
import { Rows } from "./rows.ts";
import { type ValueDecoder, valueDecoder } from "./value-decoder.ts";

/** Records of CSV under a header. */
export class StreamedCsv<A> extends Rows implements StreamedRecords<A> {
  wrong: string | null = null;
  readonly #needed: ReadonlyArray<string>;
  readonly #decodeValue: ValueDecoder<A>["decodeValue"];
  #decode: ((rows: Rows) => A | Rejected) | null = null;

  constructor(schema: Schema.ConstraintDecoder<A>, recordBytesMax: number) {
    super(0, ",", recordBytesMax);
    this.#needed = neededColumns(schema);
    this.#decodeValue = valueDecoder(schema).decodeValue;
  }

  override next(): boolean {
    return this.wrong === null && super.next();
  }

  decode(): A | Rejected | typeof blank {
    if (this.#decode !== null) return this.#decode(this);
    const { cells, problem } = this;
    const wrong = cells === null ? problemWords(problem!, []) : wrongColumns(cells, this.#needed);
    if (wrong === null) {
      this.#decode = rowDecoder(cells!, this.#decodeValue);
    } else {
      this.wrong =
        `its header must name each column once and all that the schema needs: current value is one that ${wrong}`;
    }
    return blank;
  }
}
