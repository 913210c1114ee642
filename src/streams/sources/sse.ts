/**
 * A source of server-sent events.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { Cause, type Duration, Effect, Result, Stream } from "effect";
import { atLeastOne, millisOf } from "../../windows/millis-of.ts";
import { type DecodeError, SourceError } from "../errors.ts";
import { Rejected, type Source, type SourceBatch } from "../source.ts";
import { lineBytesMaxDefault } from "./ndjson.ts";
import { lastingError, unknownSplit } from "./reading.ts";
import type { ReplayEnd } from "./make.ts";
import { type EventConnection, type EventServer, eventServer } from "./sse/connection.ts";
import { type ServerEvent, ServerEvents } from "./sse/events.ts";
import { rejectedText, Undecodable, valueDecoder } from "./formats/value-decoder.ts";

/** How long {@link sse} waits before it asks again, unless the server says how long: 3 seconds. */
export const reconnectMillisDefault = 3_000;

/** How long {@link sse} waits at least after a connection that brought nothing: 100 milliseconds. */
export const reconnectMillisMin = 100;

/** How long a pause may become as it is doubled while the server cannot be reached: 1 minute. */
export const reconnectBackoffMillisMax = 60_000;

/** How long a server may have itself left alone: 1 hour. */
export const reconnectMillisMax = 3_600_000;

/** How often {@link sse} asks a server that cannot be reached before that is an error of the source. */
export const reconnectAttemptsMax = 10;

/** How many characters the id of an event may have: it is recorded in the job's state. */
export const eventIdCharactersMax = 1_024;

/** Which events {@link sse} takes, and from where. */
export interface SseSourceOptions<A, Replays extends boolean> {
  /** Where the events are. A name and a password in it are sent as basic authorization, and never shown. */
  readonly url: string | URL;
  /** Decodes the data of each event: its JSON, or its text. It must decode without services and without waiting. */
  readonly schema: Schema.ConstraintDecoder<A>;
  /**
   * Whether data is JSON, or text as it is.
   *
   * @default {"json"}
   */
  readonly format?: "json" | "text";
  /**
   * The types of the events to be taken. Events that do not say theirs are of type `"message"`.
   *
   * @default {undefined} Events of every type are taken.
   */
  readonly events?: ReadonlyArray<string>;
  /** What to send along, such as an authorization. Never shown. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Whether the server goes on behind the event whose id it is told, with the same events in the same order. Each event
   * that is taken must have an id of its own then, and exactly-once jobs take the source.
   *
   * @default {false} It is told all the same, but events may be missing after a restart: only at-most-once jobs take it.
   */
  readonly replays?: Replays;
  /**
   * How many bytes an event may have. A longer one is rejected without being held in memory.
   *
   * @default {1_048_576}
   */
  readonly eventBytesMax?: number;
  /**
   * After how long without a sign of life, be it a comment, a connection is taken for lost.
   *
   * @default {undefined} It is trusted for ever.
   */
  readonly silenceTimeout?: Duration.Input;
}

/**
 * Listens to server-sent events, and goes on where it was: the position of a record is the id of the last event up to it,
 * with which the server is asked to go on (`Last-Event-ID`) after a broken connection and at the next start of the job.
 *
 * When a connection ends it is made again after what the server says with `retry:`, or 3 seconds; at least 100
 * milliseconds after one that brought nothing. A server that cannot be
 * reached, or answers 408, 425, 429 or 5xx, is asked again after twice as long each time, up to a minute; after ten times
 * in a row that is a `SourceError` that may pass. Any other status but 200, another content type than
 * `text/event-stream`, and a process without Deno's permission `--allow-net` for the server, is one that does not pass. `204` is how a server says that there is no more: the source ends.
 *
 * An event whose data is not JSON (or whatever `format` says) or does not match the Schema, that is too long, or is not
 * UTF-8 becomes a `DecodeError` of the flow, with its bytes. An event that is cut by the end of its connection is none.
 *
 * An event without an id of its own has the position of the one before it, so the server would send it again, or not,
 * when it is asked to go on there. Where the source `replays`, that is a `SourceError`. Where it does not, the event is
 * taken; after a restart it may come twice, as far as the server is concerned.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If `url` is not one of HTTP, `format` is none of its values, `eventBytesMax` is not a whole number
 * above 0, or `silenceTimeout` is not at least 1 millisecond.
 *
 * @example
 * ```ts
 * import { Flow, Source } from "@weir/streams";
 * import * as Schema from "@effect/schema";
 *
 * const prices = Source.sse("prices", {
 *   url: "https://example.com/prices",
 *   events: ["price"],
 *   schema: Schema.Struct({ symbol: Schema.String, price: Schema.Number }),
 *   replays: true,
 * });
 * const dear = Flow.from(prices).pipe(Flow.onError("fail"), Flow.filter(({ price }) => price > 100));
 * ```
 */
export function sse<A, const Replays extends boolean = false>(
  name: string,
  options: SseSourceOptions<A, Replays>,
): Source<A, DecodeError, never, ReplayEnd<Replays>> {
  const { schema, format = "json", events, headers = {}, replays = false, eventBytesMax = lineBytesMaxDefault } =
    options;
  const action = `make source "${name}"`;
  const refuse = (rule: string, current: unknown): never => {
    throw new RangeError(`Cannot ${action} as ${rule}: current value is ${current}`);
  };
  const url = URL.parse(String(options.url));
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return refuse("url must be one of HTTP", url === null ? "none" : `one of "${url.protocol}"`);
  }
  if (format !== "json" && format !== "text") refuse('format must be "json" or "text"', JSON.stringify(format));
  if (!Number.isSafeInteger(eventBytesMax) || eventBytesMax < 1) {
    refuse("eventBytesMax must be a whole number above 0", eventBytesMax);
  }
  const silenceMillisMax = options.silenceTimeout === undefined
    ? null
    : millisOf(action, "silenceTimeout", options.silenceTimeout, atLeastOne);
  const { decodeJson, decodeValue } = valueDecoder(schema);
  const decode = format === "json" ? decodeJson : decodeValue;
  const wanted = events === undefined ? null : new Set(events);
  const server = eventServer(url, headers, silenceMillisMax);
  return {
    "~weir/Source": undefined as never,
    name,
    bounded: false,
    replayable: replays,
    reportsLag: false,
    lagUnit: "records",
    splits: Effect.succeed([theSplit]),
    read: (split, from, batchRecordsMax) => {
      if (split !== theSplit) return Stream.fail(unknownSplit(name, split, [theSplit]));
      if (from !== null && typeof from !== "string") {
        return Stream.fail(lastingError(
          name,
          split,
          from,
          `Cannot read source "${name}" as its position must be the id of an event: current value is ${from}`,
        ));
      }
      return Stream.unwrap(Effect.gen(function* () {
        const listener = new Listener<A>({
          source: name,
          server,
          decode,
          isWanted: (type) => wanted === null || wanted.has(type),
          replays,
          eventBytesMax,
          lastId: from ?? "",
        });
        yield* Effect.addFinalizer(() => Effect.sync(() => listener.close()));
        return Stream.fromPull(Effect.succeed(listener.pull(batchRecordsMax)));
      }));
    },
  };
}

const theSplit = "0";

/** What a {@link Listener} is made of. */
interface ListenerOptions<A> {
  readonly source: string;
  readonly server: EventServer;
  readonly decode: (data: string) => A | Undecodable;
  readonly isWanted: (type: string) => boolean;
  readonly replays: boolean;
  readonly eventBytesMax: number;
  readonly lastId: string;
}

/** Listens over one connection after the other. */
class Listener<A> {
  #lastId: string;
  #connection: EventConnection | null = null;
  #events: ServerEvents;
  /** How long the server wants to be left alone after a connection has ended. */
  #retryMillis = reconnectMillisDefault;
  /** How often the server could not be reached, in a row. */
  #failures = 0;
  #isFirst = true;
  /** Whether the last connection has brought nothing so far. */
  #isEmpty = false;
  #records: Array<A | Rejected> = [];
  #positions: Array<string> = [];
  /** What was wrong with the event after those. */
  #failure: SourceError | null = null;

  constructor(readonly options: ListenerOptions<A>) {
    this.#lastId = options.lastId;
    this.#events = new ServerEvents(options.eventBytesMax);
  }

  close(): void {
    this.#connection?.close();
    this.#connection = null;
  }

  /** The records that are there, or the next ones that come. */
  pull(batchRecordsMax: number): Effect.Effect<readonly [SourceBatch<A>], SourceError | Cause.Done> {
    return Effect.gen({ self: this }, function* () {
      for (;;) {
        if (this.#records.length > 0) return [this.#take(batchRecordsMax)] as const;
        if (this.#failure !== null) return yield* this.#failure;
        if (this.#connection === null && !(yield* this.#connect)) return yield* Cause.done();
        const read = yield* Effect.result(this.#connection!.read);
        const bytes = Result.isSuccess(read) ? read.success : null;
        if (bytes === null) this.close();
        else for (const event of this.#events.feed(bytes)) this.#hear(event);
      }
    });
  }

  #take(batchRecordsMax: number): SourceBatch<A> {
    return { records: this.#records.splice(0, batchRecordsMax), positions: this.#positions.splice(0, batchRecordsMax) };
  }

  /** Connects, however long it takes. `false`: there is nothing more to come. */
  readonly #connect: Effect.Effect<boolean, SourceError> = Effect.gen({ self: this }, function* () {
    const { server, eventBytesMax } = this.options;
    for (;;) {
      if (!this.#isFirst) yield* Effect.sleep(this.#pauseMillis());
      this.#isFirst = false;
      const connected = yield* Effect.result(server.connect(this.#lastId));
      if (Result.isSuccess(connected)) {
        this.#failures = 0;
        this.#isEmpty = true;
        this.#connection = connected.success;
        this.#events = new ServerEvents(eventBytesMax);
        return connected.success !== null;
      }
      const { failure } = connected;
      if (failure._tag === "NoEvents") {
        return yield* this.#error(false, `as ${failure.rule}: current value is ${failure.current}`);
      }
      if (++this.#failures === reconnectAttemptsMax) {
        return yield* this.#error(true, `after ${reconnectAttemptsMax} attempts: ${failure.reason}`);
      }
    }
  });

  #pauseMillis(): number {
    const pause = Math.min(this.#events.retryMillis ?? this.#retryMillis, reconnectMillisMax);
    this.#retryMillis = pause;
    const doubled = pause * 2 ** Math.max(0, this.#failures - 1);
    const least = this.#isEmpty ? reconnectMillisMin : 0;
    return Math.max(pause, Math.min(doubled, reconnectBackoffMillisMax), least);
  }

  #hear({ id, type, data }: ServerEvent): void {
    const { decode, isWanted, replays } = this.options;
    if (this.#failure !== null) return;
    this.#isEmpty = false;
    const before = this.#lastId;
    if (id !== null && id.length > eventIdCharactersMax) {
      this.#failure = this.#error(
        false,
        `as the id of an event must have at most ${eventIdCharactersMax} characters: current value is ${id.length}`,
      );
      return;
    }
    const isTaken = data !== null && (type === null || isWanted(type));
    if (isTaken && replays && (id === null || id === "" || id === before)) {
      this.#failure = this.#error(
        false,
        "as each event must have an id of its own where the source replays: current value is " +
          (id === null || id === "" ? "an event without one" : `"${id}" twice`),
      );
      return;
    }
    this.#lastId = id ?? before;
    if (!isTaken) return;
    const record = data instanceof Rejected ? data : decode(data);
    this.#records.push(record instanceof Undecodable ? rejectedText(record, data as string) : record);
    this.#positions.push(this.#lastId);
  }

  #error(retryable: boolean, what: string): SourceError {
    const { source, server } = this.options;
    const after = this.#lastId === "" ? "" : ` (after event "${this.#lastId}")`;
    return new SourceError({
      message: `Cannot read events of "${server.shown}" for source "${source}"${after} ${what}`,
      source,
      split: theSplit,
      position: this.#lastId,
      retryable,
      cause: null,
    });
  }
}
