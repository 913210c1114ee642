/**
 * A sink that keeps dead letters where they can be listed, shown and retried.
 *
 * It is a table whose keys are numbers: a letter's number is its place among all that the sink was ever given. The state
 * of the job records that place for each epoch, so a letter has one number whatever crashes, and two letters made of one
 * record have two.
 *
 * @module
 */
import { Effect } from "effect";
import { type RecordBytes, recordBytesMax, type RecordParts } from "../../actors/record-bytes.ts";
import { SinkError } from "../../exactly-once/errors.ts";
import type { ForfeitedOutput, Idempotent, Publication, Sink } from "../../exactly-once/sink.ts";
import { denoKv } from "../../kv-state/deno-kv.ts";
import type { KvError, StateCorrupted } from "../../kv-state/errors.ts";
import type { Kv, KvProvider } from "../../kv-state/kv.ts";
import { keyBytes, valueBytesMax } from "../../kv-state/kv-limits.ts";
import { cutRecord, recordCost } from "../cut-record.ts";
import type { DeadLetter } from "../dead-letter.ts";
import {
  ensureInfo,
  type LetterBody,
  letterKey,
  patiently,
  retriesSplit,
  retryKey,
  sealed,
  type StoreInfo,
  unsealed,
  unsealedLetter,
} from "../dead-letter-layout.ts";
import { kvFile, type TableRow, TableWriter } from "./table.ts";

/** Where {@link deadLetters} keeps them. */
export interface DeadLettersOptions {
  /** The KV file. It holds the letters of one sink, and nothing else. */
  readonly path: string;
  /**
   * Opens the store.
   *
   * @default {Deno KV}
   */
  readonly kv?: KvProvider;
}

/** The bytes kept free for names and numbers, and for where the record of a retry came from at first. */
const firstBytesMax = 4_096;

/**
 * Keeps dead letters in a KV file, exactly once, for `DeadLetters.open` to list, show, retry and discard them, and for
 * `Source.retries` to bring back those that are to be retried.
 *
 * Several flows of a job may end in one such sink; another sink, or another job, needs a file of its own. Opening fails
 * with `SinkError` if the file belongs to another sink or another run of the job, or has lost letters, and with
 * `StateBehindOutput` if it holds an epoch that the job's state does not know.
 *
 * @param name A stable name, unique in the job.
 *
 * @example
 * ```ts
 * import { Flow, Sink, Source } from "@weir/streams";
 * import { Schema } from "effect";
 *
 * const schema = Schema.Struct({ id: Schema.Number });
 * const orders = Flow.from(Source.ndjson("orders", { paths: "orders.ndjson", schema })).pipe(
 *   Flow.merge(Flow.from(Source.retries("retries", { path: "out/dead.kv", schema }))),
 *   Flow.map((order) => 1 / order.id),
 *   Flow.onError(Sink.deadLetters("dead", { path: "out/dead.kv" }), { defects: true }),
 * );
 * ```
 */
export function deadLetters(name: string, options: DeadLettersOptions): Sink<DeadLetter<unknown>, Idempotent> {
  const { path, kv = denoKv } = options;
  const failure = (epoch: number) => (cause: KvError | StateCorrupted): SinkError =>
    new SinkError({
      message: `Cannot ${
        epoch === 0 ? "open" : `publish epoch ${epoch} to`
      } sink "${name}" in "${path}": ${cause.message}`,
      sink: name,
      epoch,
      retryable: cause._tag === "KvError" && cause.retryable,
      cause,
    });
  return {
    "~weir/Sink": undefined as never,
    name,
    driver: {
      kind: "idempotent",
      encode: bodyOf,
      byteLength: bytesOf,
      file: kvFile(path, kv, { shared: false }),
      open: (context) =>
        Effect.gen(function* () {
          const { job } = context;
          const store = yield* Effect.mapError(kv.open(path), failure(0));
          const info = yield* Effect.mapError(ensureInfo(store, { job, sink: name }), failure(0));
          if (info.owner!.job !== job || info.owner!.sink !== name) {
            return yield* new SinkError({
              message: `Cannot open sink "${name}" of job "${job}" in "${path}" as the file must hold no letters of ` +
                `others: current value is sink "${info.owner!.sink}" of job "${info.owner!.job}"`,
              sink: name,
              epoch: 0,
              retryable: false,
              cause: null,
            });
          }
          const writer = new TableWriter(name, path, store, context);
          const marker = yield* patiently(writer.takeOver);
          return {
            marker: marker.complete ? marker.epoch : marker.epoch - 1,
            // The marker makes it harmless to publish an epoch again.
            publish: (publication: Publication<LetterBody>) =>
              patiently(
                Effect.mapError(rowsOf(store, info, publication), failure(publication.epoch)).pipe(
                  Effect.flatMap((rows) => writer.publish({ ...publication, rows })),
                ),
              ),
            forfeit: (lost: ForfeitedOutput) => patiently(writer.forfeit(lost)),
          };
        }),
    },
  };
}

/** What is kept of a letter. */
const bodyOf = ({ error: _, ...letter }: DeadLetter<unknown>): LetterBody => {
  const body: LetterBody = { ...letter, ...cutRecord(letter, recordBytesMax), tries: 0, first: null };
  const bytes = bytesOf(body);
  if (bytes > valueBytesMax) {
    throw new RangeError(
      `Cannot keep a dead letter as it must not take more than ${valueBytesMax} bytes: current value is ${bytes} bytes`,
    );
  }
  return body;
};

/** The bytes that a letter takes at most: a character may take two. */
const bytesOf = (body: LetterBody): number => {
  const { source, split, position, operator, reason } = body;
  const characters = source.length + split.length + operator.length + reason.length + String(position).length;
  return recordCost(body) + 2 * characters + firstBytesMax;
};

/** The rows of an epoch: each letter under its number, and with its history if it is that of a retry. */
const rowsOf = (
  store: Kv,
  info: StoreInfo,
  { rows, offset }: Publication<LetterBody>,
): Effect.Effect<ReadonlyArray<TableRow>, KvError> => {
  const split = retriesSplit(info);
  return Effect.forEach(
    rows,
    (row, index) =>
      Effect.map(row.split === split ? ofRetry(store, row) : Effect.succeed(row), (body) => {
        const key = letterKey(offset.rows + index + 1);
        const value = sealed(key, body);
        return { key, value, removes: false, bytes: keyBytes(key) + value.byteLength };
      }),
  );
};

/** What a letter says of its record. */
const recordOf = (body: LetterBody): RecordBytes & RecordParts => {
  const { raw, rawLength, rawForm, key, keyLength, headers, headerCount, offset, timestamp } = body;
  return { raw, rawLength, rawForm, key, keyLength, headers, headerCount, offset, timestamp };
};

/** A letter of a retry, with what is known of the letter that was retried. */
const ofRetry = (store: Kv, body: LetterBody): Effect.Effect<LetterBody, KvError> =>
  Effect.gen(function* () {
    const request = yield* store.get(retryKey(Number(body.position)));
    if (request === null) return body;
    const retried = yield* store.get(letterKey((yield* unsealed(request)) as number));
    if (retried === null) return body;
    const before = yield* unsealedLetter(retried);
    const { source, split, position } = before;
    // What could not be decoded again is what was read then.
    const same = body.operator === `source "${body.source}"` ? recordOf(before) : {};
    return { ...body, ...same, tries: before.tries + 1, first: before.first ?? { source, split, position } };
  }).pipe(
    // One whose history is damaged is kept all the same.
    Effect.catchTag("StateCorrupted", () => Effect.succeed({ ...body, tries: 1 })),
  );
