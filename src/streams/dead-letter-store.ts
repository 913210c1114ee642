/**
 * Dead letters as a person handles them: what is there, why, and what becomes of it.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { type Cause, Effect, type Scope } from "effect";
import { denoKv, isFile } from "../kv-state/deno-kv.ts";
import { KvError, type StateCorrupted } from "../kv-state/errors.ts";
import type { Kv, KvEntry, KvMutation, KvProvider } from "../kv-state/kv.ts";
import { inWords } from "../windows/in-words.ts";
import {
  layoutFormat,
  letterKey,
  lettersPrefix,
  randomId,
  readInfo,
  readRequests,
  readSettled,
  type Requests,
  requestsKey,
  retryingKey,
  retryingPrefix,
  retryKey,
  sealed,
  unsealed,
  unsealedLetter,
} from "./dead-letter-layout.ts";
import {
  type LetterCounts,
  type LetterFilter,
  letterGroupsMax,
  type LetterPage,
  matching,
  obstacleOf,
  pageLettersDefault,
  pageLettersMax,
  type PageOptions,
  type RetryOutcome,
  type StoredLetter,
} from "./stored-letter.ts";

/** How many letters are read at a time. */
const scanLettersMax = 100;
/** How many letters one commit changes; each takes up to three mutations. */
const changedLettersMax = 300;
/** How often a change is tried again when somebody else has changed the store meanwhile, or holds its lock. */
const changeRetriesMax = 20;
/** The pause before that, in milliseconds. */
const changePauseMillis = 50;

/** The class that {@link DeadLetterError} extends: its fields and its constructor. */
export const DeadLetterErrorBase: Schema.Class<
  DeadLetterError,
  Schema.TaggedStruct<"DeadLetterError", {
    readonly message: Schema.String;
    readonly path: Schema.String;
    readonly rule: Schema.String;
    readonly letter: Schema.NullOr<Schema.Number>;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<DeadLetterError>()("DeadLetterError", {
  message: Schema.String,
  path: Schema.String,
  rule: Schema.String,
  letter: Schema.NullOr(Schema.Number),
});

/**
 * Something was asked of dead letters that cannot be done: a file that is not there or holds none was opened, or a letter
 * was named that is not there, cannot be retried, or is on its way. `letter` is its number, or null.
 */
export class DeadLetterError extends DeadLetterErrorBase {}

/** What an operation can fail with: the file, damaged bytes, or a request that cannot be granted. */
export type DeadLettersError = KvError | StateCorrupted | DeadLetterError;

/** An open store of dead letters. */
export interface DeadLetterStore {
  /** A page of letters. */
  readonly list: (options?: PageOptions) => Effect.Effect<LetterPage, DeadLettersError>;
  /** How many letters there are. It reads all of them, some at a time. */
  readonly count: (filter?: LetterFilter) => Effect.Effect<LetterCounts, DeadLettersError>;
  /** One letter; null if there is none of that number. */
  readonly show: (number: number) => Effect.Effect<StoredLetter | null, DeadLettersError>;
  /**
   * Asks for letters to be retried: those of these numbers, or those of a filter. A `Source.retries` brings them back.
   *
   * Of numbers, all or none are accepted: one that is not there or cannot be retried is a `DeadLetterError`. Of a filter,
   * those that cannot be retried, and those that somebody else is done with meanwhile, are left and counted; letters that
   * are made from then on are not meant. More than 300 letters are several commits: where one of them fails, those before
   * it stay granted.
   */
  readonly retry: (which: ReadonlyArray<number> | LetterFilter) => Effect.Effect<RetryOutcome, DeadLettersError>;
  /**
   * Deletes letters: those of these numbers, or those of a filter that are there now; says how many. One that is being retried stays: by its
   * number it is a `DeadLetterError`. A number that is not there is none to delete.
   */
  readonly discard: (which: ReadonlyArray<number> | LetterFilter) => Effect.Effect<number, DeadLettersError>;
}

/**
 * Opens the KV file of a `Sink.deadLetters`, from any process, whether the job runs or not. The scope closes it.
 *
 * While the job runs, two processes use one file: each may wait for the other for a moment (up to some seconds under
 * load), and nothing else happens. Fails with `DeadLetterError` if there is no file, or one without dead letters.
 *
 * @example
 * ```ts
 * import { DeadLetters } from "@weir/streams";
 * import { Effect } from "effect";
 *
 * const program = Effect.scoped(Effect.gen(function* () {
 *   const dead = yield* DeadLetters.open("out/dead.kv");
 *   for (const { operator, reason, letters } of (yield* dead.count()).groups) console.log(letters, operator, reason);
 *   const { letters } = yield* dead.list({ operator: "map#0", limit: 10 });
 *   for (const { number, source, position, reason } of letters) console.log(number, source, position, reason);
 *   yield* dead.retry({ operator: "map#0" });
 * }));
 * ```
 */
export const open = (
  path: string,
  options: { readonly kv?: KvProvider } = {},
): Effect.Effect<DeadLetterStore, DeadLettersError, Scope.Scope> =>
  Effect.gen(function* () {
    const refuse = (rule: string, current: string): DeadLetterError =>
      new DeadLetterError({
        message: `Cannot open "${path}" as ${rule}: current value is ${current}`,
        path,
        rule,
        letter: null,
      });
    const { kv: provider = denoKv } = options;
    // Opening it would make an empty one.
    if (provider === denoKv && isFile(path) && (yield* isMissing(path))) {
      return yield* refuse("there must be a file", "none");
    }
    const kv = yield* provider.open(path);
    const info = yield* readInfo(kv);
    if (info === null) return yield* refuse("it must be the file of a Sink.deadLetters", "a file without dead letters");
    if (info.format !== layoutFormat) {
      return yield* refuse(`its layout must have version ${layoutFormat}`, `version ${info.format}`);
    }
    return storeOf(kv, path);
  });

/** Where the file may not be looked at, opening it says what there is to say. */
const isMissing = (path: string): Effect.Effect<boolean> =>
  Effect.promise(() => Deno.stat(path).then(() => false, (error) => error instanceof Deno.errors.NotFound));

const storeOf = (kv: Kv, path: string): DeadLetterStore => {
  const refuse = (action: string, rule: string, letter: number | null, current: string): DeadLetterError =>
    new DeadLetterError({
      message: `Cannot ${action} as ${rule}: current value is ${current}`,
      path,
      rule,
      letter,
    });

  /** How far retries are part of the job's state: their letters are only kept for what may become of them. */
  const settled = readSettled(kv);

  const positionOf = (entry: KvEntry) => unsealed(entry) as Effect.Effect<number, StateCorrupted>;

  const letterOf = (entry: KvEntry, isRetrying: boolean): Effect.Effect<StoredLetter, StateCorrupted> =>
    Effect.map(unsealedLetter(entry), (body) => {
      const number = entry.key[1] as number;
      return { number, ...body, status: isRetrying ? "retrying" : "waiting", obstacle: obstacleOf(body) };
    });

  const show: DeadLetterStore["show"] = (number) =>
    Effect.gen(function* () {
      if (!Number.isSafeInteger(number)) return null;
      const upTo = yield* settled;
      const [letter, retrying] = yield* kv.getMany([letterKey(number), retryingKey(number)]);
      if (letter === null || (retrying !== null && (yield* positionOf(retrying)) <= upTo)) return null;
      return yield* letterOf(letter, retrying !== null);
    });

  /** The letters behind a number, up to another one, that are not done with, some of them; `next` is null at the end. */
  const scan = (
    after: number,
    greatest: number = Number.MAX_SAFE_INTEGER,
  ): Effect.Effect<LetterPage, KvError | StateCorrupted> =>
    Effect.gen(function* () {
      const upTo = yield* settled;
      const wanted = { prefix: lettersPrefix, start: letterKey(after + 1), end: letterKey(greatest + 1) };
      const entries = yield* kv.list(wanted, scanLettersMax);
      if (entries.length === 0) return { letters: [], next: null };
      const last = entries.at(-1)!.key[1] as number;
      const range = { prefix: retryingPrefix, start: retryingKey(after + 1), end: retryingKey(last + 1) };
      const retrying = new Map<number, number>();
      for (const entry of yield* kv.list(range, scanLettersMax)) {
        retrying.set(entry.key[1] as number, yield* positionOf(entry));
      }
      const letters: Array<StoredLetter> = [];
      for (const entry of entries) {
        const number = entry.key[1] as number;
        const retry = retrying.get(number);
        if (retry === undefined || retry > upTo) letters.push(yield* letterOf(entry, retry !== undefined));
      }
      return { letters, next: entries.length < scanLettersMax ? null : last };
    });

  /** The greatest number that a letter has now; 0 if there is none. A store lists forward only, so it is searched for. */
  const greatestNumber: Effect.Effect<number, KvError> = Effect.gen(function* () {
    let greatest = 0;
    let step = 1;
    const isFurtherOn = Effect.suspend(() =>
      Effect.map(kv.list({ prefix: lettersPrefix, start: letterKey(greatest + step) }, 1), ([entry]) => {
        if (entry !== undefined) greatest = entry.key[1] as number;
        return entry !== undefined;
      })
    );
    while (yield* isFurtherOn) step *= 2;
    // There is none from `greatest + step` on.
    while (step > 1) {
      step /= 2;
      yield* isFurtherOn;
    }
    return greatest;
  });

  /**
   * Does something for every letter of a filter that is there now. What is done may make new letters, of retries that fail
   * again: whoever walked on to these as well might never arrive.
   */
  const forEachLetter = <E>(
    filter: LetterFilter,
    each: (letters: ReadonlyArray<StoredLetter>) => Effect.Effect<void, E>,
  ): Effect.Effect<void, E | KvError | StateCorrupted> =>
    Effect.gen(function* () {
      const greatest = yield* greatestNumber;
      for (let after: number | null = 0; after !== null;) {
        const { letters, next }: LetterPage = yield* scan(after, greatest);
        yield* each(letters.filter(matching(filter)));
        after = next;
      }
    });

  const list: DeadLetterStore["list"] = ({ after = 0, limit = pageLettersDefault, ...filter } = {}) =>
    Effect.gen(function* () {
      if (!Number.isSafeInteger(limit) || limit < 1 || limit > pageLettersMax) {
        const rule = `limit must be a whole number from 1 to ${pageLettersMax}`;
        return yield* refuse("list dead letters", rule, null, inWords(limit));
      }
      if (!Number.isSafeInteger(after) || after < 0) {
        return yield* refuse("list dead letters", "after must be the number of a letter, or 0", null, inWords(after));
      }
      const found: Array<StoredLetter> = [];
      const isWanted = matching(filter);
      for (let from: number | null = after; from !== null;) {
        const { letters, next }: LetterPage = yield* scan(from);
        for (const letter of letters) {
          if (!isWanted(letter)) continue;
          // One more than wanted tells that there is a next page.
          if (found.length === limit) return { letters: found, next: found[limit - 1].number };
          found.push(letter);
        }
        from = next;
      }
      return { letters: found, next: null };
    });

  const count: DeadLetterStore["count"] = (filter = {}) =>
    Effect.gen(function* () {
      const groups = new Map<string, { readonly operator: string; readonly reason: string; letters: number }>();
      const sums = { letters: 0, retrying: 0, unretryable: 0, others: 0 };
      yield* forEachLetter(filter, (letters) =>
        Effect.sync(() => {
          for (const { operator, reason, status, obstacle } of letters) {
            sums.letters++;
            if (status === "retrying") sums.retrying++;
            if (obstacle !== null) sums.unretryable++;
            const id = `${operator}\n${reason}`;
            const group = groups.get(id);
            if (group !== undefined) group.letters++;
            else if (groups.size < letterGroupsMax) groups.set(id, { operator, reason, letters: 1 });
            else sums.others++;
          }
        }));
      return { ...sums, groups: [...groups.values()].sort((a, b) => b.letters - a.letters) };
    });

  /**
   * Changes letters: `plan` says how, and is asked again where somebody else was faster. Every change replaces one entry, and
   * holds only if nobody else has meanwhile, so two never mix.
   */
  const change = <A, E>(
    plan: (
      retries: number,
    ) => Effect.Effect<
      { readonly mutations: ReadonlyArray<KvMutation>; readonly retries: number; readonly done: A },
      E
    >,
  ): Effect.Effect<A, E | KvError | StateCorrupted | DeadLetterError> =>
    Effect.gen(function* () {
      for (let tries = 0; tries <= changeRetriesMax; tries++) {
        if (tries > 0) yield* Effect.sleep(changePauseMillis);
        const { requests, versionstamp } = yield* readRequests(kv);
        const { mutations, retries, done } = yield* plan(requests.retries);
        if (mutations.length === 0) return done;
        const last = yield* randomId;
        const granted: Requests = { retries, last };
        const stamp = yield* kv.commit({
          checks: [{ key: requestsKey, versionstamp }],
          mutations: [...mutations, { type: "set", key: requestsKey, value: sealed(requestsKey, granted) }],
        }).pipe(Effect.catchIf(
          ({ retryable }) => retryable,
          // The outcome is unknown: the file may have been locked, or the answer lost.
          () => Effect.map(readRequests(kv), (now) => now.requests.last === last ? now.versionstamp : null),
        ));
        if (stamp !== null) return done;
      }
      return yield* new KvError({
        message:
          `Cannot change the dead letters in "${path}" as nobody else must change them meanwhile: current value ` +
          `has moved ${changeRetriesMax + 1} times`,
        operation: "commit",
        retryable: true,
        cause: null,
      });
    });

  /** A letter to be retried, which must be there. */
  const letterToRetry = (number: number): Effect.Effect<StoredLetter, DeadLettersError> =>
    Effect.flatMap(show(number), (letter) =>
      letter === null
        ? Effect.fail(
          refuse(`retry dead letter ${inWords(number)}`, "it must be there", number, "no letter of that number"),
        )
        : Effect.succeed(letter));

  /** Puts letters into the log, but for those that are in it; says how many. */
  const request = (numbers: ReadonlyArray<number>, mayBeGone: boolean): Effect.Effect<RetryOutcome, DeadLettersError> =>
    change((retries) =>
      Effect.gen(function* () {
        const mutations: Array<KvMutation> = [];
        let position = retries;
        let gone = 0;
        for (const number of numbers) {
          const letter = yield* (mayBeGone ? show(number) : letterToRetry(number));
          if (letter === null) gone++;
          if (letter === null || letter.status === "retrying") continue;
          position++;
          mutations.push({ type: "set", key: retryKey(position), value: sealed(retryKey(position), number) });
          mutations.push({ type: "set", key: retryingKey(number), value: sealed(retryingKey(number), position) });
        }
        const retried = position - retries;
        const done = { retried, alreadyRetrying: numbers.length - retried - gone, unretryable: 0, gone };
        return { mutations, retries: position, done };
      })
    );

  const retry: DeadLetterStore["retry"] = (which) =>
    Effect.gen(function* () {
      const outcome = { retried: 0, alreadyRetrying: 0, unretryable: 0, gone: 0 };
      const requestAll = (numbers: ReadonlyArray<number>) =>
        Effect.gen(function* () {
          for (let at = 0; at < numbers.length; at += changedLettersMax) {
            const part = yield* request(numbers.slice(at, at + changedLettersMax), isFilter(which));
            outcome.retried += part.retried;
            outcome.alreadyRetrying += part.alreadyRetrying;
            outcome.gone += part.gone;
          }
        });
      if (isFilter(which)) {
        yield* forEachLetter(which, (letters) => {
          outcome.unretryable += letters.filter(({ obstacle }) => obstacle !== null).length;
          return requestAll(letters.filter(({ obstacle }) => obstacle === null).map(({ number }) => number));
        });
        return outcome;
      }
      const numbers = [...new Set(which)];
      for (const { number, obstacle } of yield* Effect.forEach(numbers, letterToRetry)) {
        if (obstacle === null) continue;
        return yield* refuse(`retry dead letter ${number}`, "its record must be whole", number, obstacle);
      }
      yield* requestAll(numbers);
      return outcome;
    });

  const discardNumbers = (
    numbers: ReadonlyArray<number>,
    isRefused: boolean,
  ): Effect.Effect<number, DeadLettersError> =>
    change((retries) =>
      Effect.gen(function* () {
        const mutations: Array<KvMutation> = [];
        for (const number of numbers) {
          // Whether it is damaged does not matter any more.
          const [letter, retrying] = yield* kv.getMany([letterKey(number), retryingKey(number)]);
          if (letter === null) continue;
          if (retrying === null) mutations.push({ type: "delete", key: letterKey(number) });
          else if (isRefused) {
            const position = yield* positionOf(retrying);
            if (position <= (yield* settled)) continue;
            const rule = "its status must be waiting";
            return yield* refuse(`discard dead letter ${number}`, rule, number, "retrying");
          }
        }
        return { mutations, retries, done: mutations.length };
      })
    );

  const discard: DeadLetterStore["discard"] = (which) =>
    Effect.gen(function* () {
      let discarded = 0;
      const discardAll = (numbers: ReadonlyArray<number>) =>
        Effect.gen(function* () {
          for (let at = 0; at < numbers.length; at += changedLettersMax) {
            discarded += yield* discardNumbers(numbers.slice(at, at + changedLettersMax), !isFilter(which));
          }
        });
      if (isFilter(which)) {
        yield* forEachLetter(which, (letters) => discardAll(letters.map(({ number }) => number)));
      } else {
        yield* discardAll([...new Set(which)].filter(Number.isSafeInteger));
      }
      return discarded;
    });

  return { list, count, show, retry, discard };
};

const isFilter = (which: ReadonlyArray<number> | LetterFilter): which is LetterFilter => !Array.isArray(which);
