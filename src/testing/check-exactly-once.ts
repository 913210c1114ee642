/**
 * Checking what was really written against what should have been: every row once, none missing, none invented.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { inWords } from "../windows/in-words.ts";
import { canonical } from "./canonical.ts";
import { type Entry, type Found, Ledger } from "./checking/ledger.ts";
import { NotExactlyOnce } from "./checking/not-exactly-once.ts";
import { asStored, linesAt, type Output, type Place, readOutput } from "./checking/read-output.ts";

/** Where output is read, one of four ways. */
export type OutputToCheck<A> =
  | {
    /** A file with a line of JSON for each row. */
    readonly ndjson: string;
    /** Decodes each row before it is compared. Default: rows are compared as JSON. */
    readonly schema?: Schema.ConstraintCodec<A, unknown, never, unknown>;
  }
  | {
    /** A file of comma-separated values that begins with a header. Rows are objects of text. */
    readonly csv: string;
  }
  | {
    /** The KV file of a `Sink.table`. Rows are `{ key, value }`, with what the key has behind its prefix. */
    readonly table: string;
    /** What all keys begin with: the name of the sink, unless it was told otherwise. */
    readonly prefix: ReadonlyArray<string | number>;
  }
  | {
    /** Rows that somebody else has read. */
    readonly rows: Iterable<A> | AsyncIterable<A>;
  };

/** What is checked against what. */
export interface CheckOptions<A> {
  /** Where the output is. */
  readonly output: OutputToCheck<A>;
  /**
   * The rows that should be there. They are gone through twice where some are missing: what can be gone through only once,
   * such as a generator, is held in memory, unless it is made by a function.
   */
  readonly expected: Iterable<NoInfer<A>> | (() => Iterable<NoInfer<A>>);
  /**
   * Which order rows must have: `"none"`, the order of `expected` among the rows of one key (`"by key"`), or exactly that of
   * `expected`.
   *
   * @default {"none"}
   */
  readonly order?: "none" | "by key" | "exact";
  /** The key of a row as it was read: needed for order `"by key"`. */
  // deno-lint-ignore no-explicit-any -- a row of JSON is whatever it is
  readonly key?: (row: any) => unknown;
  /**
   * How many rows of each kind are shown.
   *
   * @default {10}
   */
  readonly shownMax?: number;
}

/** A row that is not as it should be. */
export interface FoundRow {
  /** The row, in a text that is equal for equal rows. */
  readonly row: string;
  /** Where it is, such as `line 17`; of a missing row, which of the expected ones it is. */
  readonly place: string;
}

/** Rows that are not as they should be: how many, and the first of them. */
export interface FoundRows {
  /** How many there are. */
  readonly count: number;
  /** The first of them. */
  readonly first: ReadonlyArray<FoundRow>;
}

/** What was found. */
export interface CheckReport {
  /** How many rows there are. */
  readonly rows: number;
  /** How many were expected. */
  readonly expected: number;
  /** Rows that are not there, or not often enough. */
  readonly missing: FoundRows;
  /** Rows that are there more often than expected: each copy that is too many. */
  readonly duplicated: FoundRows;
  /** Rows that nobody expected, and lines that are no rows. */
  readonly unexpected: FoundRows;
  /** Rows that are there, but not where they should be. Only the first is looked for in order `"exact"`. */
  readonly outOfOrder: FoundRows;
}

/** How many rows of each kind are shown unless an option says otherwise. */
export const shownMaxDefault = 10;

/**
 * Checks that every expected row has been written exactly once, and nothing else. Rejects with {@link NotExactlyOnce}
 * otherwise, whose message shows the first rows of each kind with their lines, and whose `report` has the counts.
 *
 * Files are read as streams. About a hundred bytes are held for each different row, however long it is; in order `"exact"`
 * only once there is a difference. Rows of files are compared as JSON writes them, so that a `Date` is expected
 * as such or as its text, and a property that is `undefined` is none.
 *
 * @throws {RangeError} If order is `"by key"` and no `key` is given, or an option is none of those that there are.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { checkExactlyOnce, NotExactlyOnce } from "@weir/streams/testing";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, '{"city":"Bern"}\n{"city":"Genf"}\n{"city":"Bern"}\n');
 * const output = { ndjson: path };
 *
 * const { rows } = await checkExactlyOnce({ output, expected: [{ city: "Bern" }, { city: "Bern" }, { city: "Genf" }] });
 * assert.equal(rows, 3);
 *
 * const error = await checkExactlyOnce({ output, expected: [{ city: "Bern" }, { city: "Chur" }] }).catch((error) => error);
 * assert.ok(error instanceof NotExactlyOnce);
 * assert.deepEqual(error.report.duplicated, { count: 1, first: [{ row: '{"city":"Bern"}', place: "line 3" }] });
 * assert.deepEqual(error.report.unexpected.first[0].place, "line 2");
 * assert.deepEqual(error.report.missing.first, [{ row: '{"city":"Chur"}', place: "expected row 2" }]);
 * await Deno.remove(path);
 * ```
 */
export async function checkExactlyOnce<A>(options: CheckOptions<A>): Promise<CheckReport> {
  const { order = "none", key, shownMax = shownMaxDefault } = options;
  if (!["none", "by key", "exact"].includes(order)) {
    throw new RangeError(
      `Cannot check output as order must be "none", "by key" or "exact": current value is ${inWords(order)}`,
    );
  }
  if (order === "by key" && key === undefined) {
    throw new RangeError('Cannot check output as order "by key" needs an option key: current value is none');
  }
  const output = options.output as Output;
  const stored = asStored(output);
  const textsOf = again(options.expected);
  const entryOf = (row: unknown): Entry => ({
    text: canonical(row),
    key: order === "by key" ? canonical(key!(row)) : "",
  });
  const ledger = new Ledger<Place>({
    expected: () => mapped(textsOf(), (row) => entryOf(stored(row))),
    order,
    shownMax,
  });
  await readOutput(output, {
    onRow: (row, place) => ledger.take(entryOf(row), place),
    onInvalid: (text, place) => ledger.invalid(text, place),
  });
  const found = ledger.close();
  const places = await placesIn(output, [found.duplicated, found.unexpected, found.outOfOrder]);
  const report: CheckReport = {
    ...found,
    missing: {
      count: found.missing.count,
      first: found.missing.first.map(({ row, place }) => ({ row, place: `expected row ${place}` })),
    },
    duplicated: places(found.duplicated),
    unexpected: places(found.unexpected),
    outOfOrder: places(found.outOfOrder),
  };
  if (notAsExpected(report) > 0) throw new NotExactlyOnce(report);
  return report;
}

const notAsExpected = ({ missing, duplicated, unexpected, outOfOrder }: CheckReport): number =>
  missing.count + duplicated.count + unexpected.count + outOfOrder.count;

/** How places are written: lines where the output is a file of text. */
const placesIn = async (
  output: Output,
  found: ReadonlyArray<Found<Place>>,
): Promise<(found: Found<Place>) => FoundRows> => {
  const offsets = found.flatMap(({ first }) =>
    first.flatMap(({ place: { offset } }) => offset === null ? [] : [offset])
  );
  const path = "ndjson" in output ? output.ndjson : "csv" in output ? output.csv : "";
  const lines = offsets.length === 0 || path.endsWith(".gz") ? new Map<number, number>() : await linesAt(path, offsets);
  const written = ({ index, offset }: Place): string => {
    const line = offset === null ? undefined : lines.get(offset);
    return line === undefined ? `row ${index}` : `line ${line}`;
  };
  return ({ count, first }) => ({ count, first: first.map(({ row, place }) => ({ row, place: written(place) })) });
};

/** What can be gone through any number of times. */
const again = <A>(expected: Iterable<A> | (() => Iterable<A>)): () => Iterable<A> => {
  if (typeof expected === "function") return expected;
  const isOnce = (expected[Symbol.iterator]() as unknown) === expected;
  const rows = isOnce ? [...expected] : expected;
  return () => rows;
};

function* mapped<A, B>(rows: Iterable<A>, f: (row: A) => B): Iterable<B> {
  for (const row of rows) yield f(row);
}
