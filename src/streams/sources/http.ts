/**
 * A source that is sent its records over HTTP.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { Deferred, type Duration, Effect, type Scope, Stream } from "effect";
import { Signal } from "../../actors/signal.ts";
import type { Acknowledged } from "../../exactly-once/sink.ts";
import { errorLine } from "../../windows/error-words.ts";
import { atLeastOne, millisOf } from "../../windows/millis-of.ts";
import { type DecodeError, SourceError } from "../errors.ts";
import type { Source, SourceBatch } from "../source.ts";
import { bodyDecoder, type BodyFormat, type BodyRecords, formatOf, readBody, Refusal } from "./http/body.ts";
import { Intake } from "./http/intake.ts";
import { lastingError, numericPosition, unknownSplit } from "./reading.ts";

/** Bounds that hold unless {@link http} is told otherwise. */
export const httpDefaults = {
  hostname: "127.0.0.1",
  port: 8080,
  path: "/",
  requestBytesMax: 1_048_576,
  requestMillisMax: 30_000,
  pendingRecordsMax: 16_384,
  pendingBytesMax: 67_108_864,
} as const;

/** After how long a client that was sent away with a 503 may come again, in seconds. */
export const retryAfterSeconds = 1;

/** How long clients may take to be done when the source ends, before they are left to themselves, in milliseconds. */
export const closeMillisMax = 1_000;

/** Where a source listens. */
export interface HttpAddress {
  /** The address. */
  readonly hostname: string;
  /** The port, which is a free one where none was given. */
  readonly port: number;
  /** Where to send records to. */
  readonly url: string;
}

/** How {@link http} is reached, and how much it takes. */
export interface HttpSourceOptions<A, Rejects extends boolean> {
  /** Decodes the JSON of each record. It must decode without services and without waiting. */
  readonly schema: Schema.ConstraintDecoder<A>;
  /**
   * The address to listen at.
   *
   * @default {"127.0.0.1"} Only this machine is heard.
   */
  readonly hostname?: string;
  /**
   * The port to listen at. 0 is any port that is free; the source keeps it as long as the process lives.
   *
   * @default {8080}
   */
  readonly port?: number;
  /**
   * Where records are to be sent to.
   *
   * @default {"/"}
   */
  readonly path?: string;
  /** Is told where the source listens, at every start of the job. */
  readonly onListen?: (address: HttpAddress) => void;
  /**
   * Whether records that cannot be decoded are taken as dead letters. It makes `DecodeError` an error of the flow.
   *
   * @default {false} A request with such a record is refused as a whole, with a 400 that names each of them.
   */
  readonly rejects?: Rejects;
  /**
   * How many bytes a request's body may have. A longer one is refused with a 413.
   *
   * @default {1_048_576}
   */
  readonly requestBytesMax?: number;
  /**
   * How long a request's body may take to arrive. A slower one is refused with a 408.
   *
   * @default {"30 seconds"}
   */
  readonly requestTimeout?: Duration.Input;
  /**
   * How many records may wait to be stored. A request that does not fit is refused: with a 503 and a `Retry-After`, or with
   * a 413 if it has more records by itself.
   *
   * @default {16_384}
   */
  readonly pendingRecordsMax?: number;
  /**
   * How many bytes of requests are held in memory, until they have been answered. More are refused with a 503 and a
   * `Retry-After`.
   *
   * @default {67_108_864}
   */
  readonly pendingBytesMax?: number;
}

/**
 * Listens for records that are sent by `POST`, and answers once the epoch that holds them is stored.
 *
 * - `application/json`: one record, or an array of records.
 * - `application/x-ndjson` (or `application/ndjson`, `application/jsonl`): a record in each line.
 *
 * A body is in UTF-8 and not compressed: one with a `Content-Encoding` is refused with a 415.
 *
 * The answer is `200` with `{ "accepted": 3, "rejected": 0 }`. From then on nothing that happens to this process loses
 * the records. A request that is not taken leaves nothing behind, and `{ "error": "…" }` says why: `400` (with the line or
 * index and the reason of each record that cannot be decoded), `404`, `405`, `408`, `413`, `415`, or `503` with a
 * `Retry-After` when too much is waiting. `GET /health` answers `200` while the source is read.
 *
 * A client that got no answer, or a 503 as the job stopped or failed meanwhile, cannot know whether its records are
 * stored. It sends them again, and then they may be there twice: so an exactly-once job refuses this source. Where records
 * have an id, `Flow.deduplicate` takes the second one out. Records that nobody was told of are lost only when the
 * process dies, or the job starts anew after an error; requests are not kept for that, but answered with the 503.
 *
 * There is no encryption and no authentication: to be reached from elsewhere it belongs behind a proxy. That a media type
 * is demanded keeps web pages from sending to it. Deno's permission to listen is `--allow-net=127.0.0.1:8080`.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If `port` is not from 0 to 65535, `path` does not begin with "/" or is not
 * written as in a URL, a bound is not a whole number above
 * 0, `requestBytesMax` is greater than `pendingBytesMax`, or `requestTimeout` is not at least 1 millisecond.
 *
 * @example
 * ```ts
 * import { Flow, Job, Sink, Source } from "@weir/streams";
 * import * as Schema from "@effect/schema";
 * import { Deferred, Effect } from "effect";
 * import assert from "node:assert/strict";
 *
 * const address = Deferred.makeUnsafe<Source.HttpAddress>();
 * const orders = Source.http("orders", {
 *   schema: Schema.Struct({ id: Schema.Number }),
 *   port: 0,
 *   onListen: (listening) => Deferred.doneUnsafe(address, Effect.succeed(listening)),
 * });
 * const out = Sink.memory<{ readonly id: number }>("out");
 * const job = Job.make({
 *   name: "orders",
 *   guarantee: "at-least-once",
 *   flows: [Flow.from(orders).pipe(Flow.to(out))],
 * });
 *
 * await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
 *   const running = yield* Job.start(job, { state: ":memory:", epochInterval: "50 millis" });
 *   const { url } = yield* Deferred.await(address);
 *   const response = yield* Effect.promise(() =>
 *     fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: '[{"id":1},{"id":2}]' })
 *   );
 *   assert.deepEqual(yield* Effect.promise(() => response.json()), { accepted: 2, rejected: 0 });
 *   yield* running.stop;
 * })));
 * assert.deepEqual(out.values(), [{ id: 1 }, { id: 2 }]);
 * ```
 */
export function http<A, const Rejects extends boolean = false>(
  name: string,
  options: HttpSourceOptions<A, Rejects>,
): Source<A, Rejects extends false ? never : DecodeError, never, Acknowledged> {
  const {
    schema,
    hostname = httpDefaults.hostname,
    port = httpDefaults.port,
    path = httpDefaults.path,
    onListen = () => {},
    rejects = false,
    requestBytesMax = httpDefaults.requestBytesMax,
    pendingRecordsMax = httpDefaults.pendingRecordsMax,
    pendingBytesMax = httpDefaults.pendingBytesMax,
  } = options;
  const action = `make source "${name}"`;
  const check = (option: string, rule: string, value: number | string, holds: boolean): void => {
    if (!holds) throw new RangeError(`Cannot ${action} as ${option} must ${rule}: current value is ${value}`);
  };
  check("port", "be a whole number from 0 to 65535", port, Number.isSafeInteger(port) && port >= 0 && port <= 65_535);
  check("path", 'begin with "/"', `"${path}"`, path.startsWith("/"));
  // Requests are told apart by the path as URLs write it.
  const written = URL.parse(path, "http://localhost")?.pathname ?? "/";
  check("path", `be written as in a URL, as "${written}" is`, `"${path}"`, path === written);
  for (const [option, bound] of Object.entries({ requestBytesMax, pendingRecordsMax, pendingBytesMax })) {
    check(option, "be a whole number above 0", bound, Number.isSafeInteger(bound) && bound > 0);
  }
  check(
    "requestBytesMax",
    `not be greater than pendingBytesMax, ${pendingBytesMax}`,
    requestBytesMax,
    requestBytesMax <= pendingBytesMax,
  );
  const requestMillisMax = millisOf(
    action,
    "requestTimeout",
    options.requestTimeout ?? httpDefaults.requestMillisMax,
    atLeastOne,
  );
  const decode = bodyDecoder(schema, requestBytesMax);
  const limits: Limits = { path, rejects, requestBytesMax, requestMillisMax, pendingRecordsMax, pendingBytesMax };
  /** What is being read: there is one reader at a time. */
  let intake: Intake<A> | null = null;
  /** The port that was free at the first start. */
  let freePort = port;

  const readTwice = (): SourceError =>
    lastingError(
      name,
      theSplit,
      null,
      `Cannot read source "${name}" as it must be read by one job at a time: current value is two`,
    );
  const open = (position: number, onNews: () => void): Effect.Effect<Intake<A>, SourceError, Scope.Scope> =>
    Effect.gen(function* () {
      if (intake !== null) return yield* readTwice();
      const opened = intake = new Intake<A>(position, onNews);
      yield* Effect.addFinalizer(() => Effect.sync(() => void (intake = null)));
      const listening = yield* listen(
        name,
        position,
        hostname,
        freePort,
        (request) => answer(request, opened, decode, limits),
      );
      yield* Effect.addFinalizer(() => Effect.sync(() => opened.close()));
      freePort = listening.port;
      const host = hostname.includes(":") ? `[${hostname}]` : hostname;
      onListen({ ...listening, url: `http://${host}:${listening.port}${path}` });
      return opened;
    });

  return {
    "~weir/Source": undefined as never,
    name,
    bounded: false,
    replayable: "until-acknowledged",
    lagUnit: "records",
    // Another job must not get as far as telling what *it* has stored.
    splits: Effect.suspend(() => intake === null ? Effect.succeed([theSplit]) : Effect.fail(readTwice())),
    committed: (positions) =>
      Effect.sync(() => {
        const position = positions.get(theSplit);
        if (typeof position === "number") intake?.stored(position);
      }),
    read: (split, from, batchRecordsMax) => {
      if (split !== theSplit) return Stream.fail(unknownSplit(name, split, [theSplit]));
      const position = numericPosition(name, split, from, Number.MAX_SAFE_INTEGER);
      if (typeof position !== "number") return Stream.fail(position);
      return Stream.unwrap(Effect.gen(function* () {
        const news = new Signal();
        const opened = yield* open(position, () => news.notify());
        const pull: Effect.Effect<readonly [SourceBatch<A>]> = Effect.suspend(() => {
          const batch = opened.take(batchRecordsMax);
          return batch === null ? Effect.andThen(news.wait, pull) : Effect.succeed([batch] as const);
        });
        return Stream.fromPull(Effect.succeed(pull));
      }));
    },
  };
}

const theSplit = "0";

interface Limits {
  readonly path: string;
  readonly rejects: boolean;
  readonly requestBytesMax: number;
  readonly requestMillisMax: number;
  readonly pendingRecordsMax: number;
  readonly pendingBytesMax: number;
}

/** Listens until the scope closes, which waits for the answers to be sent. */
const listen = (
  source: string,
  position: number,
  hostname: string,
  port: number,
  handle: (request: Request) => Effect.Effect<Response>,
): Effect.Effect<{ readonly hostname: string; readonly port: number }, SourceError, Scope.Scope> =>
  Effect.gen(function* () {
    const run = Effect.runPromiseWith(yield* Effect.context<never>());
    const server = yield* Effect.acquireRelease(
      Effect.try({
        try: () => Deno.serve({ hostname, port, onListen: () => {} }, (request) => run(handle(request))),
        catch: (cause) =>
          new SourceError({
            message: `Cannot listen at ${hostname}:${port} for source "${source}": ${errorLine(cause)}` +
              (cause instanceof Deno.errors.AddrInUse ? " (end the other program or choose another port)" : ""),
            source,
            split: theSplit,
            position,
            retryable: !(cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable),
            cause,
          }),
      }),
      (server) =>
        Effect.promise(() => server.shutdown()).pipe(
          // A client that never ends its request is left to itself: it is heard no more, and keeps no process alive.
          Effect.timeoutOrElse({ duration: closeMillisMax, orElse: () => Effect.sync(() => server.unref()) }),
        ),
    );
    return { hostname, port: server.addr.port };
  });

/** Takes a request, and answers it once it is known what became of its records. */
const answer = <A>(
  request: Request,
  intake: Intake<A>,
  decode: (format: BodyFormat, bytes: Uint8Array) => BodyRecords<A>,
  limits: Limits,
): Effect.Effect<Response> => {
  let bytesHeld = 0;
  const reserve = (bytes: number): Effect.Effect<void, Refusal> => {
    if (intake.closed) return Effect.fail(closing);
    if (intake.bytes + bytes > limits.pendingBytesMax) {
      return Effect.fail(comeAgain(`more than ${limits.pendingBytesMax} bytes must not wait`, `${intake.bytes}`));
    }
    intake.bytes += bytes;
    bytesHeld += bytes;
    return Effect.void;
  };
  return Effect.gen(function* () {
    const { pathname } = new URL(request.url);
    if ((request.method === "GET" || request.method === "HEAD") && pathname === "/health") {
      return Response.json({ status: "ok" });
    }
    if (pathname !== limits.path) {
      return yield* new Refusal({ status: 404, error: `Cannot find "${pathname}": records go to "${limits.path}"` });
    }
    if (request.method !== "POST") {
      const error = `Cannot take the request as its method must be POST: current value is ${request.method}`;
      return yield* new Refusal({ status: 405, error, headers: { allow: "POST" } });
    }
    const format = yield* formatOf(request.headers);
    const bytes = yield* readBody(request, limits.requestBytesMax, reserve).pipe(
      Effect.raceFirst(Effect.andThen(Deferred.await(intake.closing), Effect.fail(closing))),
      Effect.timeoutOrElse({
        duration: limits.requestMillisMax,
        orElse: () =>
          Effect.fail(
            new Refusal({
              status: 408,
              error:
                `Cannot take the request as its body must arrive within ${limits.requestMillisMax} milliseconds: ` +
                "current value is incomplete",
            }),
          ),
      }),
    );
    const { records, rejected, rejectedCount } = decode(format, bytes);
    if (rejectedCount > 0 && !limits.rejects) {
      const error = `Cannot take the request as every record must decode: current value is ${rejectedCount} of ` +
        `${records.length} that do not`;
      return yield* new Refusal({ status: 400, error, rejected });
    }
    const answered = Response.json({ accepted: records.length - rejectedCount, rejected: rejectedCount });
    if (records.length === 0) return answered;
    if (records.length > limits.pendingRecordsMax) {
      const error =
        `Cannot take the request as it must have at most ${limits.pendingRecordsMax} records: current value ` +
        `is ${records.length}`;
      return yield* new Refusal({ status: 413, error });
    }
    if (intake.records + records.length > limits.pendingRecordsMax) {
      return yield* comeAgain(`more than ${limits.pendingRecordsMax} records must not wait`, `${intake.records}`);
    }
    if (intake.closed) return yield* closing;
    const outcome = yield* Deferred.await(intake.offer(records));
    return outcome === "stored" ? answered : yield* closing;
  }).pipe(
    Effect.catch(({ status, error, headers, rejected }) =>
      Effect.succeed(
        Response.json({ error, ...(rejected === undefined ? {} : { rejected }) }, { status, headers: { ...headers } }),
      )
    ),
    Effect.ensuring(Effect.sync(() => void (intake.bytes -= bytesHeld))),
  );
};

const comeAgain = (rule: string, current: string): Refusal =>
  new Refusal({
    status: 503,
    error: `Cannot take the request now as ${rule}: current value is ${current}`,
    headers: { "retry-after": String(retryAfterSeconds) },
  });

const closing = comeAgain("the job must go on to answer it", "it has stopped or starts anew");
