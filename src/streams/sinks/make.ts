/**
 * Sinks of one's own.
 *
 * @module
 */
import type { Effect, Scope } from "effect";
import type { SinkOpenError } from "../../exactly-once/errors.ts";
import type {
  AppendOnly,
  End,
  Idempotent,
  Sink,
  SinkContext,
  SinkDriver,
  SinkWriter,
  Transactional,
} from "../../exactly-once/sink.ts";

/** A sink's driver, but for its kind, which the constructor states. */
export interface SinkOptions<in A, in out Row> {
  /**
   * Turns a value into the row to store: something the structured clone algorithm can copy. What it throws is an error
   * of the job with the record's coordinates.
   */
  readonly encode: (value: A) => Row;
  /** The bytes a row takes in the sink. It bounds how much output waits to be published. */
  readonly byteLength: (row: Row) => number;
  /**
   * Opens the sink, and closes it with its scope. Name its parameter even where it is not used: TypeScript then infers
   * the type of the rows from `encode`.
   */
  readonly open: (
    context: SinkContext,
  ) => Effect.Effect<SinkWriter<Row>, SinkOpenError, Scope.Scope>;
}

const make = <A, Row, S extends End>(
  name: string,
  kind: SinkDriver<A, Row>["kind"],
  { encode, byteLength, open }: SinkOptions<A, Row>,
): Sink<A, S> => ({ "~weir/Sink": undefined as never, name, driver: { kind, encode, byteLength, open } });

/**
 * A sink that stores the epoch's number in the same transaction as its rows, so that publishing an epoch twice changes
 * nothing. `open` reads that number back as `marker`.
 *
 * @param name A stable name, unique in the job.
 * @param options How values become rows, and how the rows of an epoch are published.
 *
 * @example
 * ```ts
 * import { Sink } from "@weir/streams";
 * import { Effect } from "effect";
 *
 * const database = { epoch: 0, rows: [] as Array<string> }; // stands for a database with transactions
 *
 * const names = Sink.transactional("names", {
 *   encode: (person: { name: string }) => person.name,
 *   byteLength: (row) => row.length,
 *   open: (_context) =>
 *     Effect.succeed({
 *       marker: database.epoch,
 *       publish: ({ epoch, rows }) =>
 *         Effect.sync(() => {
 *           if (epoch <= database.epoch) return;
 *           database.rows.push(...rows);
 *           database.epoch = epoch;
 *         }),
 *     }),
 * });
 * ```
 */
export function transactional<A, Row>(name: string, options: SinkOptions<A, Row>): Sink<A, Transactional> {
  return make(name, "transactional", options);
}

/**
 * A sink that files every row under its own key, so that writing a row twice gives the same row. An epoch may be
 * published again, and a reader may see a part of it.
 *
 * @param name A stable name, unique in the job.
 * @param options How values become rows, and how the rows of an epoch are published.
 *
 * @example
 * ```ts
 * import { Sink } from "@weir/streams";
 * import { Effect } from "effect";
 *
 * const totals = new Map<string, number>(); // stands for a store with upserts
 *
 * const upsert = Sink.idempotent("totals", {
 *   encode: (total: { city: string; count: number }) => [total.city, total.count] as const,
 *   byteLength: ([city]) => city.length + 8,
 *   open: (_context) =>
 *     Effect.succeed({
 *       marker: null,
 *       publish: ({ rows }) =>
 *         Effect.sync(() => {
 *           for (const [city, count] of rows) totals.set(city, count);
 *         }),
 *     }),
 * });
 * ```
 */
export function idempotent<A, Row>(name: string, options: SinkOptions<A, Row>): Sink<A, Idempotent> {
  return make(name, "idempotent", options);
}

/**
 * A sink in which every write shows at once and for ever, so that a crash may repeat it. Exactly-once jobs refuse it.
 *
 * @param name A stable name, unique in the job.
 * @param options How values become rows, and how the rows of an epoch are published.
 *
 * @example
 * ```ts
 * import { Sink } from "@weir/streams";
 * import { Effect } from "effect";
 *
 * const sent: Array<string> = []; // stands for an HTTP endpoint
 *
 * const alerts = Sink.appendOnly("alerts", {
 *   encode: (alert: { text: string }) => alert.text,
 *   byteLength: (row) => row.length,
 *   open: (_context) =>
 *     Effect.succeed({
 *       marker: null,
 *       publish: ({ rows }) =>
 *         Effect.sync(() => {
 *           sent.push(...rows);
 *         }),
 *     }),
 * });
 * ```
 */
export function appendOnly<A, Row>(name: string, options: SinkOptions<A, Row>): Sink<A, AppendOnly> {
  return make(name, "append-only", options);
}
