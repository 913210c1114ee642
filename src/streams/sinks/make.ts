/**
 * Sinks of one's own.
 *
 * @module
 */
import type { AppendOnly, End, Idempotent, Sink, SinkDriver, Transactional } from "../../exactly-once/sink.ts";

/** A driver whose kind the constructor states. */
export type DriverOf<A, Row> = Omit<SinkDriver<A, Row>, "kind">;

const make = <A, Row, S extends End>(
  name: string,
  kind: SinkDriver<A, Row>["kind"],
  { encode, byteLength, open }: DriverOf<A, Row>,
): Sink<A, S> => ({ "~weir/Sink": undefined as never, name, driver: { kind, encode, byteLength, open } });

/**
 * A sink that stores the epoch's number in the same transaction as its rows, so that publishing an epoch twice changes
 * nothing. `open` reads that number back as `marker`.
 *
 * @param name A stable name, unique in the job.
 * @param driver How values become rows, and how the rows of an epoch are published.
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
 *   open: () =>
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
export function transactional<A, Row>(name: string, driver: DriverOf<A, Row>): Sink<A, Transactional> {
  return make(name, "transactional", driver);
}

/**
 * A sink that files every row under its own key, so that writing a row twice gives the same row. An epoch may be
 * published again, and a reader may see a part of it.
 *
 * @param name A stable name, unique in the job.
 * @param driver How values become rows, and how the rows of an epoch are published.
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
 *   open: () =>
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
export function idempotent<A, Row>(name: string, driver: DriverOf<A, Row>): Sink<A, Idempotent> {
  return make(name, "idempotent", driver);
}

/**
 * A sink in which every write shows at once and for ever, so that a crash may repeat it. Exactly-once jobs refuse it.
 *
 * @param name A stable name, unique in the job.
 * @param driver How values become rows, and how the rows of an epoch are published.
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
 *   open: () =>
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
export function appendOnly<A, Row>(name: string, driver: DriverOf<A, Row>): Sink<A, AppendOnly> {
  return make(name, "append-only", driver);
}
