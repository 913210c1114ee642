/**
 * How a store of dead letters lies in its KV file: letters by number, and the log of those that are to be retried.
 *
 * | key | value, sealed |
 * |---|---|
 * | `["weir", "dead-letters"]` | the {@link StoreInfo} |
 * | `["weir", "dead-letters", "requests"]` | the {@link Requests}: every change made by a person moves it on |
 * | `["weir", "dead-letters", "settled"]` | how far the log has been read for good |
 * | `["letters", number]` | a {@link LetterBody} |
 * | `["retries", position]` | the number of the letter to be retried |
 * | `["retrying", number]` | the letter's position in the log |
 *
 * A letter that is being retried stays where it is until its retry is part of an epoch, so that the log can be read again
 * from any position that a job may have recorded.
 *
 * @module
 */
import { Effect, Random, Schedule } from "effect";
import { deserialize, serialize } from "node:v8";
import { noParts, type RecordBytes, type RecordParts } from "../actors/record-bytes.ts";
import { KvError, StateCorrupted } from "../kv-state/errors.ts";
import type { Kv, KvEntry, KvKey } from "../kv-state/kv.ts";
import { seal, unseal } from "../kv-state/seal.ts";
import { inWords } from "../windows/in-words.ts";
import type { Position } from "./source.ts";

/** The version of this layout. */
export const layoutFormat = 1;

/** How often something is tried again while another process holds the file's lock. */
const lockedRetriesMax = 20;
/** The pause before that, in milliseconds. */
const lockedPauseMillis = 50;

/**
 * Tries again while the store may yet answer: a job and a person use one file, and each locks it for a moment. What is
 * tried must do no harm the second time.
 */
export const patiently = <A, E extends { readonly _tag: string }, R>(
  attempt: Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> =>
  Effect.retry(attempt, {
    while: (error) => "retryable" in error && error.retryable === true,
    times: lockedRetriesMax,
    schedule: Schedule.spaced(lockedPauseMillis),
  });

/** What a store is. */
export interface StoreInfo {
  readonly format: number;
  /** A random id, so that the splits of two stores have different names. */
  readonly id: string;
  /** The job and the sink that write it; null until one does. */
  readonly owner: { readonly job: string; readonly sink: string } | null;
}

/** What has been asked for so far. */
export interface Requests {
  /** How many retries the log has had; the position of the last. */
  readonly retries: number;
  /** The id of the last request. It is random, so whoever finds its own here knows that it was granted. */
  readonly last: string;
}

/** Where a record came from. */
export interface Coordinates {
  /** The name of the source. */
  readonly source: string;
  /** The split. */
  readonly split: string;
  /** Where to read on after it in the split. */
  readonly position: Position;
}

/** What is stored of a letter. */
export interface LetterBody extends Coordinates, RecordBytes, RecordParts {
  readonly operator: string;
  readonly reason: string;
  /** How often its record has been retried. */
  readonly tries: number;
  /** Where its record came from at first, when this is the letter of a retry. */
  readonly first: Coordinates | null;
}

export const infoKey: KvKey = ["weir", "dead-letters"];
export const requestsKey: KvKey = ["weir", "dead-letters", "requests"];
export const settledKey: KvKey = ["weir", "dead-letters", "settled"];
export const lettersPrefix: KvKey = ["letters"];
export const retriesPrefix: KvKey = ["retries"];
export const retryingPrefix: KvKey = ["retrying"];
export const letterKey = (number: number): KvKey => ["letters", number];
export const retryKey = (position: number): KvKey => ["retries", position];
export const retryingKey = (number: number): KvKey => ["retrying", number];

/** The split under which a store's retries are read: another store's letters are told apart by it. */
export const retriesSplit = ({ id }: StoreInfo): string => `retries-${id}`;

/** Seals a value under its key. */
export const sealed = (key: KvKey, value: unknown): Uint8Array => seal(key.join(" "), 0, serialize(value)).bytes;

/** Opens what was sealed under a key. */
export const unsealed = ({ key, value }: Pick<KvEntry, "key" | "value">): Effect.Effect<unknown, StateCorrupted> =>
  Effect.suspend(() => {
    const found = unseal(key.join(" "), value);
    if (typeof found !== "string") return Effect.succeed(deserialize(found.payload));
    const what = key[0] === "letters" ? `dead letter ${key[1]}` : `${inWords(key)} of the dead letters`;
    return Effect.fail(
      new StateCorrupted({ message: `Cannot read ${what} as it is damaged: ${found}`, job: "", segment: what }),
    );
  });

/** Opens a letter. Those that earlier versions stored say nothing of a record's key, headers, place and time. */
export const unsealedLetter = (entry: Pick<KvEntry, "key" | "value">): Effect.Effect<LetterBody, StateCorrupted> =>
  Effect.map(unsealed(entry), (stored) => ({ ...noParts, ...(stored as LetterBody) }));

/** Opens what may be there. */
const opened = <A>(entry: KvEntry | null, otherwise: A): Effect.Effect<A, StateCorrupted> =>
  entry === null ? Effect.succeed(otherwise) : unsealed(entry) as Effect.Effect<A, StateCorrupted>;

/** What has been asked for, with its version. */
export const readRequests = (
  kv: Kv,
): Effect.Effect<{ readonly requests: Requests; readonly versionstamp: string | null }, KvError | StateCorrupted> =>
  Effect.flatMap(
    kv.get(requestsKey),
    (entry) =>
      Effect.map(opened<Requests>(entry, { retries: 0, last: "" }), (requests) => ({
        requests,
        versionstamp: entry?.versionstamp ?? null,
      })),
  );

/** Up to which position of the log retries are part of the job's state. */
export const readSettled = (kv: Kv): Effect.Effect<number, KvError | StateCorrupted> =>
  Effect.flatMap(kv.get(settledKey), (entry) => opened(entry, 0));

/** How many random 32-bit words an id has. */
const idWords = 2;

/** An id that nobody else has. */
export const randomId: Effect.Effect<string> = Effect.map(
  Effect.all(Array.from({ length: idWords }, () => Random.next)),
  (words) => words.map((word) => Math.floor(word * 2 ** 32).toString(16).padStart(8, "0")).join(""),
);

/** What the store of a file is, if there is one. */
export const readInfo = (kv: Kv): Effect.Effect<StoreInfo | null, KvError | StateCorrupted> =>
  Effect.flatMap(kv.get(infoKey), (entry) => opened<StoreInfo | null>(entry, null));

/**
 * What the store of a file is, made if there is none. `owner` makes the store its own if nobody else has. Fails if the
 * store has another layout.
 */
export const ensureInfo = (kv: Kv, owner: StoreInfo["owner"]): Effect.Effect<StoreInfo, KvError | StateCorrupted> =>
  patiently(Effect.gen(function* () {
    for (;;) {
      const entry = yield* kv.get(infoKey);
      const found = yield* opened<StoreInfo | null>(entry, null);
      if (found !== null && found.format !== layoutFormat) {
        return yield* new KvError({
          message: `Cannot use a file of dead letters as its layout must have version ${layoutFormat}: current value ` +
            `is version ${found.format}`,
          operation: "get",
          retryable: false,
          cause: null,
        });
      }
      if (found !== null && (owner === null || found.owner !== null)) return found;
      const info: StoreInfo = { format: layoutFormat, id: found?.id ?? (yield* randomId), owner };
      const checks = [{ key: infoKey, versionstamp: entry?.versionstamp ?? null }];
      // Where the check does not hold somebody else was faster, and what they wrote is read.
      const mutations = [{ type: "set", key: infoKey, value: sealed(infoKey, info) }] as const;
      if ((yield* kv.commit({ checks, mutations })) !== null) return info;
    }
  }));
