/**
 * A sink that keeps its rows in memory: the outside storage of a test.
 *
 * @module
 */
import { Effect } from "effect";
import { SinkError, StateBehindOutput } from "../../exactly-once/errors.ts";
import type { Sink, SinkWriter, Transactional } from "../../exactly-once/sink.ts";
import { copy, serializedBytesMax } from "./structured.ts";

/** A sink whose rows can be looked at. */
export interface MemorySink<A> extends Sink<A, Transactional> {
  /** Every row that was published, in order. */
  readonly values: () => ReadonlyArray<A>;
  /** Every epoch that was published, in order. Epochs without output are not published. */
  readonly epochs: () => ReadonlyArray<number>;
}

/**
 * Keeps copies of its rows in memory, as long as the sink itself is kept: it outlives restarts of a job inside one
 * process, but not the process. An epoch that it already holds is not taken again.
 *
 * Opening fails with `SinkError` if rows that were published are no longer here, and with `StateBehindOutput` if the sink
 * holds an epoch that the job's state does not know.
 *
 * @param name A stable name, unique in the job.
 *
 * @example
 * ```ts
 * import { Sink } from "@weir/streams";
 * import assert from "node:assert/strict";
 *
 * const out = Sink.memory<number>("out");
 * // … run a job that ends in `Flow.to(out)` …
 * assert.deepEqual(out.values(), []);
 * ```
 */
export function memory<A>(name: string): MemorySink<A> {
  const values: Array<A> = [];
  const epochs: Array<number> = [];
  /** Rows of epochs that were lost under at-most-once. */
  let forfeited = 0;
  const last = () => epochs.length === 0 ? 0 : epochs[epochs.length - 1];
  return {
    "~weir/Sink": undefined as never,
    name,
    values: () => values,
    epochs: () => epochs,
    driver: {
      kind: "transactional",
      encode: (value: A): A => copy(value),
      byteLength: (row: A) => serializedBytesMax(row, Number.POSITIVE_INFINITY),
      open: ({ published, publishedOffset, committed }) =>
        Effect.suspend((): Effect.Effect<SinkWriter<A>, SinkError | StateBehindOutput> => {
          if (last() > committed) {
            return Effect.fail(
              new StateBehindOutput({
                message: `Cannot open memory sink "${name}" as it must not be ahead of the job's state: ` +
                  `current value is epoch ${last()}, the last epoch committed is ${committed}`,
                sink: name,
                committed,
                found: last(),
              }),
            );
          }
          if (values.length + forfeited < publishedOffset.rows) {
            return Effect.fail(
              new SinkError({
                message: `Cannot open memory sink "${name}" as it must still hold the ${publishedOffset.rows} rows ` +
                  `published up to epoch ${published}: current value is ${values.length} rows`,
                sink: name,
                epoch: 0,
                retryable: false,
                cause: null,
              }),
            );
          }
          return Effect.succeed({
            marker: last(),
            forfeit: ({ epoch, rows }) =>
              Effect.sync(() => {
                if (epoch <= last()) return;
                forfeited += rows;
                epochs.push(epoch);
              }),
            publish: ({ epoch, rows }) =>
              Effect.sync(() => {
                if (epoch <= last()) return;
                for (const row of rows) values.push(row);
                epochs.push(epoch);
              }),
          });
        }),
    },
  };
}
