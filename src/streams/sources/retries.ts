/**
 * A source of the dead letters that are to be retried.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { type Duration, Effect, Stream } from "effect";
import { reasonOf } from "../../actors/task-context.ts";
import { denoKv } from "../../kv-state/deno-kv.ts";
import type { KvError, StateCorrupted } from "../../kv-state/errors.ts";
import type { Kv, KvEntry, KvMutation, KvProvider } from "../../kv-state/kv.ts";
import { aboveZero, millisOf } from "../../windows/millis-of.ts";
import {
  ensureInfo,
  type LetterBody,
  letterKey,
  patiently,
  readRequests,
  retriesPrefix,
  retriesSplit,
  retryingKey,
  retryKey,
  sealed,
  settledKey,
  type StoreInfo,
  unsealed,
  unsealedLetter,
} from "../dead-letter-layout.ts";
import { type DecodeError, SourceError } from "../errors.ts";
import { type Position, Rejected, type Source, type SourceBatch } from "../source.ts";
import type { StoredLetter } from "../stored-letter.ts";
import { indexPositions, lastingError, numericPosition, unknownSplit } from "./reading.ts";
import { Undecodable, valueDecoder } from "./formats/value-decoder.ts";

/** A dead letter that is being retried, with the key, the headers and all else that is kept of its record. */
export type RetriedLetter = Omit<StoredLetter, "number" | "status" | "obstacle">;

/** What {@link retries} reads, and how. */
export interface RetriesOptions<A> {
  /** The KV file of a `Sink.deadLetters`. */
  readonly path: string;
  /** Decodes each record anew. It must decode without services and without waiting. */
  readonly schema: Schema.ConstraintDecoder<A>;
  /**
   * Reads the bytes that a source could not decode into what `schema` decodes. Of a record that has a key and headers they
   * are its value, and the letter has the rest. Of one that has no value they are empty, and the letter's `rawForm` is `"none"`.
   *
   * @default {JSON in UTF-8}
   */
  readonly parse?: (bytes: Uint8Array, letter: RetriedLetter) => unknown;
  /**
   * How often it is looked whether there is something to be retried.
   *
   * @default {"1 second"}
   */
  readonly pollInterval?: Duration.Input;
  /**
   * Opens the store.
   *
   * @default {Deno KV}
   */
  readonly kv?: KvProvider;
}

/** How often it is looked for retries unless an option says otherwise, in milliseconds. */
const pollIntervalMillis = 1_000;

/** How many letters are read at a time. */
const batchLettersMax = 100;

/** How many retries that are done with are forgotten in one commit; each has three keys. */
const forgottenMax = 300;

/**
 * Brings back the dead letters that somebody asked to be retried, for a flow to merge with its usual source.
 *
 * What is decoded is what the letter holds: the bytes that a source could not decode, or the record that an operator
 * further on was given, as JSON, where bytes are base64. So a corrected Schema, or corrected code, lets it pass. What does
 * not match the Schema is a `DecodeError` of the flow once more, and becomes a dead letter with one more try. The records in
 * one file must be of one shape: give each `Flow.onError` whose records differ a `Sink.deadLetters` of its own.
 *
 * It never ends: it waits for more retries, and a run with `mode: "available-now"` ends when there are none. Where the flow
 * has event time, `idleAfter` keeps its silence from holding the watermark back; a window that has closed meanwhile calls
 * a retried record late. One job at a time may read it.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If `pollInterval` is not finite and above 0.
 *
 * @example
 * ```ts
 * import { Flow, Source } from "@weir/streams";
 * import { Schema } from "effect";
 *
 * const schema = Schema.Struct({ id: Schema.Number });
 * const orders = Flow.from(Source.ndjson("orders", { paths: "orders.ndjson", schema })).pipe(
 *   Flow.merge(Flow.from(Source.retries("retries", { path: "out/dead.kv", schema }))),
 * );
 * ```
 */
export function retries<A>(name: string, options: RetriesOptions<A>): Source<A, DecodeError, never, never> {
  const { path, kv = denoKv } = options;
  const pollMillis = millisOf(`make source "${name}"`, "pollInterval", options.pollInterval ?? pollIntervalMillis, {
    ...aboveZero,
    words: "finite and above 0 milliseconds",
  });
  const decode = letterDecoder(options);
  const failure = (split: string, position: Position | null) => (cause: KvError | StateCorrupted): SourceError =>
    new SourceError({
      message: `Cannot read source "${name}" from "${path}": ${cause.message}`,
      source: name,
      split,
      position,
      retryable: cause._tag === "KvError" && cause.retryable,
      cause,
    });
  /** Opens the store for a moment. */
  const withStore = <B>(
    use: (store: Kv, info: StoreInfo) => Effect.Effect<B, KvError>,
  ): Effect.Effect<B, KvError | StateCorrupted> =>
    Effect.scoped(
      Effect.flatMap(kv.open(path), (store) => Effect.flatMap(ensureInfo(store, null), (info) => use(store, info))),
    );
  /** The stores from which splits are being read. To open one takes long, as all of a large file is checked. */
  const reading = new Map<string, Kv>();
  /** Uses the store that a split is being read from, or opens it when the reading has ended or ends meanwhile. */
  const withStoreOf = (
    split: string,
    use: (store: Kv) => Effect.Effect<void, KvError>,
  ): Effect.Effect<void, KvError | StateCorrupted> =>
    Effect.suspend(() => {
      const store = reading.get(split);
      return store === undefined
        ? withStore(use)
        : Effect.catch(use(store), (error) => reading.get(split) === store ? Effect.fail(error) : withStore(use));
    });
  /** How far each split was stored when it was last said. */
  const stored = new Map<string, number>();
  return {
    "~weir/Source": undefined as never,
    name,
    bounded: false,
    paced: true,
    replayable: true,
    reportsLag: true,
    lagUnit: "records",
    splits: Effect.mapError(
      withStore((_store, info) => Effect.succeed([retriesSplit(info)])),
      failure("", null),
    ),
    read: (split, from, batchRecordsMax) => {
      const first = numericPosition(name, split, from, Number.MAX_SAFE_INTEGER);
      if (typeof first !== "number") return Stream.fail(first);
      const atMost = Math.min(batchRecordsMax, batchLettersMax);
      return Stream.unwrap(Effect.gen(function* () {
        const store = yield* kv.open(path);
        const info = yield* ensureInfo(store, null);
        if (retriesSplit(info) !== split) return Stream.fail(unknownSplit(name, split, [retriesSplit(info)]));
        yield* Effect.acquireRelease(
          Effect.sync(() => reading.set(split, store)),
          () => Effect.sync(() => reading.get(split) === store && reading.delete(split)),
        );
        // Before anything is read, all that was committed has been published.
        yield* patiently(forget(store, first));
        let position = first;
        let hasSaidAll = false;
        const pull: Effect.Effect<readonly [SourceBatch<A>], SourceError> = Effect.gen(function* () {
          for (;;) {
            const { requests } = yield* readRequests(store);
            if (requests.retries > position) {
              hasSaidAll = false;
              const letters = yield* lettersOf(store, position, Math.min(requests.retries, position + atMost));
              if (typeof letters === "number") return yield* gone(name, split, path, letters);
              const positions = indexPositions(position, letters.length);
              position += letters.length;
              return [{ records: letters.map(decode), positions, lag: requests.retries - position }] as const;
            }
            if (!hasSaidAll) {
              hasSaidAll = true;
              return [{ records: [], positions: [], lag: 0 }] as const;
            }
            yield* Effect.sleep(pollMillis);
          }
        }).pipe(Effect.mapError((error) => error._tag === "SourceError" ? error : failure(split, position)(error)));
        return Stream.fromPull(Effect.succeed(pull));
      })).pipe(
        Stream.mapError((error) => error._tag === "SourceError" ? error : failure(split, from)(error)),
      ) as Stream.Stream<SourceBatch<A>, SourceError>;
    },
    committed: (positions) =>
      Effect.forEach(positions, ([split, position]) => {
        const before = stored.get(split);
        if (typeof position !== "number" || position === before) return Effect.void;
        // An epoch was committed since `before` was, so the one of `before` has been published.
        const settleIn = (store: Kv) => Effect.andThen(forget(store, before ?? 0), settle(store, position));
        // It may be done a second time: both only say how things are.
        return patiently(withStoreOf(split, settleIn)).pipe(
          Effect.mapError(failure(split, position)),
          Effect.andThen(Effect.sync(() => stored.set(split, position))),
        );
      }, { discard: true }),
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Decodes what a letter holds. Where that fails, all of it stands in the batch, to be kept once more. */
const letterDecoder = <A>({ schema, parse }: RetriesOptions<A>): (letter: LetterBody | Rejected) => A | Rejected => {
  const { decodeJson, decodeValue } = valueDecoder(schema);
  const decode = (letter: LetterBody): A | Undecodable => {
    const { raw, rawForm } = letter;
    try {
      if (parse !== undefined && rawForm !== "json") return decodeValue(parse(raw.slice(), letter));
      return rawForm === "none" ? noValue : decodeJson(utf8.decode(raw));
    } catch (error) {
      return new Undecodable(`cannot be read: ${reasonOf(error)}`);
    }
  };
  return (letter) => {
    if (letter instanceof Rejected) return letter;
    const decoded = decode(letter);
    if (!(decoded instanceof Undecodable)) return decoded;
    const { raw, rawLength, rawForm, key, headers, offset, timestamp } = letter;
    const parts = { key, headers, offset, timestamp };
    return new Rejected(decoded.reason, rawForm === "none" ? null : raw, rawLength, parts);
  };
};

const noValue = new Undecodable("has no value, of which only parse can make a record");

/** The letters behind some positions of the log, or a position that has none. */
const lettersOf = (
  store: Kv,
  after: number,
  last: number,
): Effect.Effect<ReadonlyArray<LetterBody | Rejected> | number, KvError> =>
  Effect.gen(function* () {
    const letters: Array<LetterBody | Rejected> = [];
    for (let position = after + 1; position <= last; position++) {
      const request = yield* store.get(retryKey(position));
      if (request === null) return position;
      const letter = yield* letterOf(store, request).pipe(
        // One that is damaged becomes a letter that says so, rather than the end of the job.
        Effect.catchTag("StateCorrupted", ({ message }) => Effect.succeed(new Rejected(message, nothing, 0))),
      );
      if (letter === null) return position;
      letters.push(letter);
    }
    return letters;
  });

const nothing = new Uint8Array();

/** The letter that a retry is of. */
const letterOf = (store: Kv, request: KvEntry): Effect.Effect<LetterBody | null, KvError | StateCorrupted> =>
  Effect.gen(function* () {
    const letter = yield* store.get(letterKey((yield* unsealed(request)) as number));
    return letter === null ? null : yield* unsealedLetter(letter);
  });

const gone = (source: string, split: string, path: string, position: number): SourceError =>
  lastingError(
    source,
    split,
    position,
    `Cannot read source "${source}" from "${path}" as retry ${position} must still be there: current value is none`,
  );

/**
 * Forgets the retries up to a position, with their letters. What became of them must have been published: a letter that
 * fails again has to find the one that it was.
 */
const forget = (store: Kv, upTo: number): Effect.Effect<void, KvError> =>
  Effect.gen(function* () {
    for (;;) {
      const range = { prefix: retriesPrefix, end: retryKey(upTo + 1) };
      const entries = yield* store.list(range, forgottenMax);
      if (entries.length === 0) break;
      // The number is under the seal; one that is damaged leaves its letter where it is.
      const mutations = yield* Effect.forEach(entries, (entry) =>
        unsealed(entry).pipe(
          Effect.map((number): ReadonlyArray<KvMutation> => [
            { type: "delete", key: entry.key },
            { type: "delete", key: retryingKey(number as number) },
            { type: "delete", key: letterKey(number as number) },
          ]),
          Effect.orElseSucceed((): ReadonlyArray<KvMutation> => [{ type: "delete", key: entry.key }]),
        ));
      yield* store.commit({ checks: [], mutations: mutations.flat() });
    }
  });

/** Notes that the retries up to a position are part of the job's state: their letters are not shown any more. */
const settle = (store: Kv, position: number): Effect.Effect<void, KvError> =>
  Effect.asVoid(
    store.commit({ checks: [], mutations: [{ type: "set", key: settledKey, value: sealed(settledKey, position) }] }),
  );
