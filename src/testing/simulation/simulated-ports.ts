/**
 * A job whose store, sources and sinks go through ports at which something may go wrong.
 *
 * @module
 */
import { Effect, Stream } from "effect";
import { SinkError } from "../../exactly-once/errors.ts";
import type { End, Sink, SinkWriter } from "../../exactly-once/sink.ts";
import { KvError } from "../../kv-state/errors.ts";
import type { Kv, KvProvider } from "../../kv-state/kv.ts";
import { SourceError } from "../../streams/errors.ts";
import type { Source } from "../../streams/source.ts";
import { type Injected, throughPort } from "./faults.ts";

/** A provider whose stores may fail, be slow, and lose answers. */
export const faultyKv = (provider: KvProvider): KvProvider => ({
  open: (location) =>
    Effect.map(provider.open(location), (kv): Kv => {
      const fail = (operation: string) => ({ rule, retryable }: Injected): KvError =>
        new KvError({
          message: `Cannot ${operation} of ${location} as ${rule}`,
          operation,
          retryable,
          cause: new Error(rule),
        });
      const load = fail("load");
      return {
        get: (key) => throughPort("load", `gets ${JSON.stringify(key)}`, load, kv.get(key)),
        getMany: (keys) => throughPort("load", `gets ${keys.length} keys`, load, kv.getMany(keys)),
        list: (range, limit) =>
          throughPort("load", `lists ${JSON.stringify(range.prefix)}`, load, kv.list(range, limit)),
        commit: (commit) =>
          throughPort(
            "commit",
            `commits ${commit.mutations.length} mutations to ${location}`,
            fail("commit"),
            kv.commit(commit),
          ),
      };
    }),
});

/** A source that may fail and be slow. */
export const faultySource = <A, E, R, S>(source: Source<A, E, R, S>): Source<A, E, R, S> => {
  const fail = (split: string) => ({ rule, retryable }: Injected): SourceError =>
    new SourceError({
      message: `Cannot read split "${split}" of source "${source.name}" as ${rule}`,
      source: source.name,
      split,
      position: null,
      retryable,
      cause: null,
    });
  return {
    ...source,
    read: (split, from, batchRecordsMax) =>
      source.read(split, from, batchRecordsMax).pipe(
        Stream.mapEffect((batch) =>
          throughPort(
            "read",
            `reads ${batch.records.length} records of ${source.name}, split ${split}`,
            fail(split),
            Effect.succeed(batch),
          )
        ),
      ),
  };
};

/** A sink that may fail, be slow, and lose answers. */
export const faultySink = <A, S extends End>(sink: Sink<A, S>): Sink<A, S> => {
  const fail = (epoch: number) => ({ rule, retryable }: Injected): SinkError =>
    new SinkError({
      message: `Cannot ${epoch === 0 ? "open" : `publish epoch ${epoch} to`} sink "${sink.name}" as ${rule}`,
      sink: sink.name,
      epoch,
      retryable,
      cause: null,
    });
  const { driver } = sink;
  return {
    ...sink,
    driver: {
      ...driver,
      open: (context) =>
        Effect.map(
          Effect.andThen(
            throughPort("open", `opens ${sink.name}`, fail(0), Effect.void),
            driver.open(context),
          ),
          (writer): SinkWriter<unknown> => ({
            ...writer,
            publish: (publication) =>
              throughPort(
                "publish",
                `publishes epoch ${publication.epoch} to ${sink.name}, ${publication.rows.length} rows`,
                fail(publication.epoch),
                writer.publish(publication),
              ),
          }),
        ),
    },
  };
};
