/**
 * Watched sinks: they take the place of a job's own, and remember what they were given.
 *
 * @module
 */
import { Effect } from "effect";
import type { End, Sink, SinkWriter } from "../exactly-once/sink.ts";

/** What a sink was given, and what it would have stored. */
export class Watched {
  /** The values, in the order in which they became visible. */
  readonly values: Array<unknown> = [];
  /** What the sink's own `encode` made of them. */
  readonly rows: Array<unknown> = [];
  readonly #given: Array<unknown> = [];
  readonly #seen = new Set<number>();
  #last = 0;

  /** Notes a value, and returns the number under which it waits for its epoch. */
  give(value: unknown): number {
    return this.#given.push(snapshot(value)) - 1;
  }

  /** The epoch that a transactional sink would know to be visible. */
  get last(): number {
    return this.#last;
  }

  /** Makes an epoch visible: again, if it is one of a sink that cannot know better. */
  publish(kind: Sink<unknown, End>["driver"]["kind"], epoch: number, rows: ReadonlyArray<WatchedRow>): void {
    // A row that is written again under its own key changes nothing.
    if (kind !== "append-only" && this.#seen.has(epoch)) return;
    this.#seen.add(epoch);
    this.#last = Math.max(this.#last, epoch);
    for (const [number, row] of rows) {
      this.values.push(this.#given[number]);
      this.rows.push(row);
    }
  }
}

/** A row: the number of its value, and what the sink's own `encode` made of it. */
type WatchedRow = readonly [number: number, row: unknown];

/** Puts a watched sink in the place of one. Values are encoded as before, as their errors and bytes count. */
export const watch = (sink: Sink<unknown, End>, watched: Watched): Sink<unknown, End> => {
  const { kind, encode, byteLength } = sink.driver;
  return {
    "~weir/Sink": undefined as never,
    name: sink.name,
    driver: {
      kind,
      encode: (value): WatchedRow => {
        const row = encode(value);
        return [watched.give(value), row];
      },
      byteLength: ([_, row]: WatchedRow) => byteLength(row),
      open: () =>
        Effect.sync((): SinkWriter<WatchedRow> => ({
          marker: kind === "transactional" ? watched.last : null,
          publish: ({ epoch, rows }) => Effect.sync(() => watched.publish(kind, epoch, rows)),
        })),
    },
  };
};

/** How deep a value is copied. One that contains itself gets there at once. */
const copiedDepthMax = 32;

/** A value as it is now: plain objects and arrays are copied, so that nobody changes them later. */
export const snapshot = (value: unknown, depthLeft: number = copiedDepthMax): unknown => {
  if (typeof value !== "object" || value === null || depthLeft === 0) return value;
  if (Array.isArray(value)) return value.map((part) => snapshot(part, depthLeft - 1));
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, snapshot(part, depthLeft - 1)]));
};
