/** Server-sent events: what is an event, where a broken connection goes on, and what is refused. */
import assert from "node:assert/strict";
import * as Schema from "@effect/schema";
import { Cause, Effect, Exit, Fiber, Stream } from "effect";
import fc from "fast-check";
import { Flow, Job, Sink, Source } from "@weir/streams";
import { type ServerEvent, ServerEvents } from "../src/streams/sources/sse/events.ts";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { runToEnd } from "./support.ts";

/** A server that is asked over and over; `answer` says what it answers. */
const withServer = async (
  answer: (request: Request, count: number) => Response,
  body: (url: string) => Promise<void>,
): Promise<void> => {
  let count = 0;
  const cut = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, signal: cut.signal, onListen: () => {} },
    (request) => answer(request, count++),
  );
  try {
    await body(`http://127.0.0.1:${server.addr.port}/events`);
  } finally {
    cut.abort();
    await server.finished;
  }
};

const encoder = new TextEncoder();

/** An answer of events; it stays open after them if so wanted. */
const eventStream = (parts: ReadonlyArray<string | Uint8Array>, stays = false): Response =>
  new Response(
    new ReadableStream({
      start: (controller) => {
        for (const part of parts) controller.enqueue(typeof part === "string" ? encoder.encode(part) : part);
        if (!stays) controller.close();
      },
    }),
    { headers: { "content-type": "text/event-stream" } },
  );

/** How a server says that there is no more. */
const noMore = () => new Response(null, { status: 204 });

type Read<A> = { readonly records: Array<A | string>; readonly positions: Array<Source.Position> };

/** Runs a job over a source until the source ends. What is rejected is told as its reason. */
const read = async <A>(source: Source.Source<A, Source.DecodeError, never, unknown>): Promise<Read<A>> => {
  const records: Array<A | string> = [];
  const positions: Array<Source.Position> = [];
  const batches = source.read("0", null, 2);
  await Effect.runPromise(Stream.runForEach(batches, (batch) =>
    Effect.sync(() => {
      for (const record of batch.records) {
        records.push(record instanceof Source.Rejected ? record.reason : record as A);
      }
      positions.push(...Array.from(batch.positions));
    })));
  return { records, positions };
};

const failureOf = async (
  source: Source.Source<unknown, Source.DecodeError, never, unknown>,
): Promise<Source.SourceError> => {
  const exit = await Effect.runPromiseExit(Stream.runDrain(source.read("0", null, 100)));
  assert.ok(Exit.isFailure(exit));
  const error = Cause.squash(exit.cause);
  assert.ok(error instanceof Source.SourceError);
  return error;
};

const text = { schema: Schema.String, format: "text" } as const;

// ── What is an event ────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("an event's data is taken line by line, comments and other fields are passed over", () =>
  withServer(
    (_, count) =>
      count > 0 ? noMore() : eventStream([
        "\uFEFFretry: 1\nid: 1\ndata: one\n\n",
        ": still there\n\n:\nid: 2\nevent: greeting\ndata: two\ndata:\ndata:  lines\nother: x\n\n",
        "data\n\nid\n\nevent: nothing\n\ndata: \r\rdata: three\r\r\ndata: ",
        "Zür",
        encoder.encode("ich").subarray(0, 1),
        encoder.encode("ich").subarray(1),
        "\r\n\r\ndata: cut",
      ]),
    async (url) => {
      const { records, positions } = await read(Source.sse("events", { url, ...text }));
      assert.deepEqual(records, ["one", "two\n\n lines", "", "", "three", "Zürich"]);
      assert.deepEqual(positions, ["1", "2", "2", "", "", ""]);
    },
  ));

Deno.test("data is decoded by the Schema, from JSON unless one says otherwise; types are chosen by name", () =>
  withServer(
    (_, count) =>
      count > 0 ? noMore() : eventStream([
        'retry: 1\n\nevent: price\ndata: {"p":\ndata: 1}\n\ndata: {"p":2}\n\nevent: other\ndata: {"p":3}\n\n',
        'event: price\ndata: {"p":"4"}\n\nevent: price\ndata: oops\n\nevent: price\ndata: {"p":5}\n\n',
      ]),
    async (url) => {
      const { records } = await read(
        Source.sse("prices", { url, schema: Schema.Struct({ p: Schema.Number }), events: ["price"] }),
      );
      const [notJson] = records.splice(2, 1) as [string];
      assert.match(notJson, /^is not JSON: /);
      assert.deepEqual(records, [{ p: 1 }, 'does not match the schema: Expected number at ["p"]', { p: 5 }]);
    },
  ));

/** What a drawn event is made of. */
interface Drawn {
  readonly id: string | null;
  readonly type: string | null;
  readonly lines: ReadonlyArray<string>;
}

Deno.test("however bytes are cut and lines end, the events are the same", () => {
  const line = fc.string({ unit: fc.constantFrom("a", "é", "東", "😀", ":", " ", "\uFEFF"), maxLength: 6 });
  const word = fc.string({ unit: fc.constantFrom("a", "é", "7"), minLength: 1, maxLength: 4 });
  const event: fc.Arbitrary<Drawn> = fc.record({
    id: fc.option(word),
    type: fc.option(word),
    lines: fc.array(line, { minLength: 1, maxLength: 3 }),
  });
  fc.assert(fc.property(
    fc.array(event, { maxLength: 8 }),
    // A line feed right after a carriage return belongs to it, so the two do not stand for themselves in one stream.
    fc.oneof(
      fc.array(fc.constantFrom("\n", "\r\n"), { minLength: 1, maxLength: 5 }),
      fc.array(fc.constantFrom("\r", "\r\n"), { minLength: 1, maxLength: 5 }),
    ),
    fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
    (events, endings, cuts) => {
      let ending = 0;
      const written = events.map(({ id, type, lines }) =>
        [
          ...(id === null ? [] : [`id: ${id}`]),
          ": a comment",
          ...(type === null ? [] : [`event: ${type}`]),
          ...lines.map((line) => `data: ${line}`),
          "",
        ].map((line) => line + endings[ending++ % endings.length]).join("")
      ).join("");
      const bytes = encoder.encode(written);
      const parser = new ServerEvents(1_000);
      const got: Array<ServerEvent> = [];
      for (let at = 0, cut = 0; at < bytes.length; cut++) {
        const length = cuts[cut % cuts.length];
        got.push(...parser.feed(bytes.subarray(at, at + length)));
        at += length;
      }
      assert.deepEqual(
        got,
        events.map(({ id, type, lines }) => ({ id, type: type ?? "message", data: lines.join("\n") })),
      );
    },
  ));
});

Deno.test("an event that is too long or not UTF-8 is a dead letter with its beginning; the next one is read", () =>
  withServer(
    (_, count) =>
      count > 0 ? noMore() : eventStream([
        "retry: 1\n\nid: 1\ndata: ok\n\n",
        `id: 2\ndata: ${"x".repeat(10_000_000)}\n\n`,
        `data: ${"y".repeat(60)}\ndata: ${"z".repeat(60)}\nid: 3\n\n`,
        "id: 4\ndata: ",
        new Uint8Array([0xff, 0xfe]),
        "\n\nid: 5\ndata: fine\n\n",
        `:${"c".repeat(1_000)}\n:${"c".repeat(50)}\n:${"c".repeat(50)}\nid: 6\ndata: the end\n\n`,
      ]),
    async (url) => {
      const { records, positions } = await read(Source.sse("events", { url, ...text, eventBytesMax: 100 }));
      const [ok, long, longToo, notUtf8, ...rest] = records;
      assert.deepEqual([ok, ...rest], ["ok", "fine", "the end"]);
      assert.deepEqual([long, longToo], Array(2).fill("is longer than 100 bytes"));
      assert.match(String(notUtf8), /^is not UTF-8: /);
      assert.deepEqual(positions, ["1", "2", "3", "4", "5", "6"]);
    },
  ));

Deno.test("what is kept of an event that goes on for ever is bounded", () => {
  const parser = new ServerEvents(1_000);
  const piece = encoder.encode(`data: ${"x".repeat(900)}\n`);
  const endless = encoder.encode("x".repeat(60_000));
  const before = Deno.memoryUsage().heapUsed + Deno.memoryUsage().external;
  for (let k = 0; k < 2_000; k++) assert.deepEqual(parser.feed(piece), []);
  for (let k = 0; k < 2_000; k++) assert.deepEqual(parser.feed(endless), []);
  const { heapUsed, external } = Deno.memoryUsage();
  assert.ok(heapUsed + external - before < 40_000_000, `${heapUsed + external - before} bytes`);
  const [event] = parser.feed(encoder.encode("\n\n"));
  assert.ok(event.data instanceof Source.Rejected);
  assert.equal(event.data.rawLength, 2_000 * piece.length + 2_000 * endless.length + 1);
  assert.ok(event.data.raw.length <= Source.rejectedBytesMax);
});

// ── Where it goes on ────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("after a broken connection the server is told the last id, once what it wants has passed", () => {
  // connection 1: 1 2 ✗      2 ms      connection 2, after 2: 3 ✗      connection 3, after "ü4": the end
  const asked: Array<string | null> = [];
  return withServer(
    (request, count) => {
      asked.push(request.headers.get("last-event-id"));
      if (count === 0) return eventStream(["retry: 2\nid: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 9\ndata: cut"]);
      if (count === 1) return eventStream(["id: 3\ndata: c\n\n", "id: ü4\n\n"]);
      return noMore();
    },
    async (url) => {
      const { records, positions } = await read(Source.sse("events", { url, ...text }));
      assert.deepEqual([records, positions], [["a", "b", "c"], ["1", "2", "3"]]);
      const bytes = Array.from(encoder.encode("ü4"), (byte) => String.fromCharCode(byte)).join("");
      assert.deepEqual(asked, [null, "2", bytes]);
    },
  );
});

Deno.test("a source that replays gives each event once, whatever breaks: connections, the store, the process", async () => {
  // The server has 300 events, and hands over a few of them at a time. Whoever knows them all is told to stop.
  const all = Array.from({ length: 300 }, (_, k) => k + 1);
  let seed = 5;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  await withServer(
    (request) => {
      const last = Number(request.headers.get("last-event-id") ?? 0);
      if (last === all.length) return noMore();
      const some = all.slice(last, last + random(20));
      const written = some.map((id) => `id: ${id}\ndata: ${id}\n\n`).join("");
      return eventStream(["retry: 1\n\n", written, random(2) === 0 ? "data: cut" : ""]);
    },
    async (url) => {
      const numbers = Source.sse("numbers", { url, schema: Schema.Number, replays: true });
      const out = Sink.memory<number>("out");
      const job = Job.make({
        name: "numbers",
        guarantee: "exactly-once",
        flows: [Flow.from(numbers).pipe(Flow.onError("fail"), Flow.to(out))],
      });
      const kv = memoryKv();
      let crashes = 0;
      kv.onCommit((index) => {
        if (index % 7 !== 6 || crashes === 12) return "ok";
        return crashes++ % 2 === 0 ? "crash-before" : "crash-after";
      });
      const { outcome, starts } = await runToEnd(job, { kv, epochRecordsMax: 7, batchRecordsMax: 5 });
      assert.equal(outcome, "ended");
      assert.ok(starts > 3, `${starts} starts`);
      assert.deepEqual(out.values(), all);
    },
  );
});

Deno.test("a server that is silent for too long is asked again; a comment is a sign of life", () => {
  // connection 1: 1 · · · · (silence) ✗      connection 2: 2 : : : 3, the end
  let alive = 0;
  return withServer(
    (request, count) => {
      if (count === 0) return eventStream(["retry: 1\nid: 1\ndata: a\n\n"], true);
      if (count > 1) return noMore();
      assert.equal(request.headers.get("last-event-id"), "1");
      let timer: ReturnType<typeof setInterval>;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          timer = setInterval(() => {
            controller.enqueue(encoder.encode(++alive < 8 ? ":\n" : "id: 2\ndata: b\n\n"));
            if (alive < 8) return;
            clearInterval(timer);
            controller.close();
          }, 50);
        },
        cancel: () => clearInterval(timer),
      });
      return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
    },
    async (url) => {
      const { records } = await read(Source.sse("events", { url, ...text, silenceTimeout: "200 millis" }));
      assert.deepEqual(records, ["a", "b"]);
    },
  );
});

Deno.test("a job that is stopped lets go of its connection", async () => {
  let isCut = false;
  const answer = (): Response =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(encoder.encode("id: 1\ndata: a\n\n")),
        cancel: () => void (isCut = true),
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
  await withServer(answer, async (url) => {
    const out = Sink.memory<string>("out");
    const flow = Flow.from(Source.sse("events", { url, ...text })).pipe(Flow.onError("fail"), Flow.to(out));
    const job = Job.make({ name: "events", guarantee: "at-most-once", flows: [flow] });
    await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const running = yield* Job.start(job, { kv: memoryKv(), epochInterval: "10 millis" });
      while (out.values().length === 0) yield* Effect.sleep(5);
      const { outcome, metrics } = yield* running.stop;
      assert.deepEqual([outcome, metrics.splits[0].position], ["stopped", "1"]);
      for (let waits = 0; !isCut; waits++) {
        assert.ok(waits < 200, "the connection is still there");
        yield* Effect.sleep(5);
      }
    })));
  });
});

// ── Events without ids ──────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("an event that a source could not go on behind is refused where the source replays", async () => {
  const refused = async (...parts: ReadonlyArray<string>): Promise<Source.SourceError> => {
    let error: Source.SourceError | undefined;
    await withServer(() => eventStream(parts), async (url) => {
      error = await failureOf(Source.sse("events", { url, ...text, replays: true, events: ["message"] }));
    });
    return error!;
  };
  const rule = "as each event must have an id of its own where the source replays: current value is";
  const without = await refused("id: 1\ndata: a\n\ndata: b\n\n");
  assert.ok(
    without.message.endsWith(`for source "events" (after event "1") ${rule} an event without one`),
    without.message,
  );
  assert.deepEqual([without.position, without.retryable], ["1", false]);
  assert.ok((await refused("id\ndata: b\n\n")).message.endsWith(`${rule} an event without one`));
  assert.ok((await refused("id: 1\ndata: a\n\nid: 1\ndata: b\n\n")).message.endsWith(`${rule} "1" twice`));
  // An id that stands alone is not the id of the event that follows.
  assert.ok((await refused("id: 1\n\ndata: b\n\n")).message.endsWith(`${rule} an event without one`));
  // Events that are not taken need none.
  assert.match((await refused("event: ping\ndata: x\n\nid: 7\ndata: a\n\ndata: b\n\n")).message, /after event "7"/);
  assert.match(
    (await refused(`id: ${"i".repeat(1_025)}\ndata: a\n\n`)).message,
    /the id of an event must have at most 1024 characters: current value is 1025$/,
  );
});

Deno.test("the records before an event that is refused still come", () =>
  withServer(() => eventStream(["id: 1\ndata: 1\n\ndata: 2\n\n"]), async (url) => {
    const records: Array<unknown> = [];
    const numbers = Source.sse("numbers", { url, schema: Schema.Number, replays: true });
    const exit = await Effect.runPromiseExit(
      Stream.runForEach(
        numbers.read("0", null, 100),
        (batch) => Effect.sync(() => void records.push(...batch.records)),
      ),
    );
    assert.ok(Exit.isFailure(exit));
    assert.deepEqual(records, [1]);
  }));

// ── Answers that are no events ──────────────────────────────────────────────────────────────────────────────────────

Deno.test({
  name: "a process that may not reach the server is told so at once",
  permissions: { net: false },
  fn: async () => {
    const source = Source.sse("events", { url: "http://127.0.0.1:4999/?key=secret", schema: Schema.Unknown });
    const exit = await Effect.runPromiseExit(Stream.runDrain(source.read("0", null, 10)));
    assert.ok(Exit.isFailure(exit));
    const error = Cause.squash(exit.cause);
    assert.ok(error instanceof Source.SourceError);
    assert.equal(error.retryable, false);
    assert.match(
      error.message,
      /^Cannot read events of "http:\/\/127\.0\.0\.1:4999\/" for source "events" as the process must be allowed to reach it: current value is Requires net access to "127\.0\.0\.1:4999"/,
    );
    assert.doesNotMatch(error.message, /secret/);
  },
});

Deno.test("another status, or another content type, is an error that does not pass", async () => {
  const refused = async (answer: () => Response): Promise<string> => {
    let message = "";
    await withServer(answer, async (url) => {
      const error = await failureOf(Source.sse("events", { url, ...text }));
      assert.equal(error.retryable, false);
      message = error.message.replace(url, "URL");
    });
    return message;
  };
  assert.equal(
    await refused(() => new Response("no", { status: 404 })),
    'Cannot read events of "URL" for source "events" as the server must answer 200: current value is 404',
  );
  assert.equal(
    await refused(() => Response.json({})),
    'Cannot read events of "URL" for source "events" as the answer must be of type "text/event-stream": ' +
      'current value is "application/json"',
  );
});

Deno.test("a server that is busy is asked again, and for the tenth time in vain it is an error that may pass", () => {
  let asked = 0;
  return withServer(
    (_, count) => {
      asked++;
      return count === 0 ? eventStream(["retry: 1\n\nid: 1\ndata: a\n\n"]) : new Response("busy", { status: 503 });
    },
    async (url) => {
      const error = await failureOf(Source.sse("events", { url, ...text }));
      assert.equal(
        error.message.replace(url, "URL"),
        'Cannot read events of "URL" for source "events" (after event "1") after 10 attempts: the server answers 503',
      );
      assert.deepEqual([error.retryable, error.position, asked], [true, "1", 11]);
    },
  );
});

Deno.test("what is secret is sent, and never shown", async () => {
  let authorization: string | null = null;
  let token: string | null = null;
  const wrong = (request: Request): Response => {
    authorization = request.headers.get("authorization");
    token = request.headers.get("x-token");
    return new Response("no", { status: 401 });
  };
  await withServer(wrong, async (url) => {
    const secret = new URL(url);
    secret.username = "ada";
    secret.password = "pässword";
    secret.search = "?key=hidden";
    const error = await failureOf(Source.sse("events", { url: secret, ...text, headers: { "x-token": "hidden" } }));
    assert.equal(
      error.message,
      `Cannot read events of "${url}" for source "events" as the server must answer 200: current value is 401`,
    );
    assert.deepEqual([authorization, token], [
      `Basic ${btoa(String.fromCharCode(...encoder.encode("ada:pässword")))}`,
      "hidden",
    ]);
  });
});

Deno.test("a server that is gone is named without what is secret", async () => {
  const failed = Promise.withResolvers<Source.SourceError>();
  await withServer(() => eventStream(["retry: 1\nid: 1\ndata: a\n\n"]), async (url) => {
    const source = Source.sse("events", { url: `${url}?key=hidden`, ...text });
    const isHeard = Promise.withResolvers<void>();
    Effect.runPromiseExit(Stream.runForEach(source.read("0", null, 100), () => Effect.sync(() => isHeard.resolve())))
      .then(
        (exit) => Exit.isFailure(exit) && failed.resolve(Cause.squash(exit.cause) as Source.SourceError),
      );
    await isHeard.promise;
  });
  const { message, cause, retryable } = await failed.promise;
  assert.match(message, /^Cannot read events of "http:\/\/127\.0\.0\.1:\d+\/events" .* after 10 attempts: /);
  assert.doesNotMatch(message, /hidden/);
  assert.deepEqual([cause, retryable], [null, true]);
});

Deno.test("wrong options are refused", () => {
  const make = (options: object) => () =>
    Source.sse("events", { url: "http://127.0.0.1/", schema: Schema.String, ...options });
  assert.throws(make({ url: "events" }), /url must be one of HTTP: current value is none$/);
  assert.throws(make({ url: "ftp://127.0.0.1/" }), /url must be one of HTTP: current value is one of "ftp:"$/);
  assert.throws(make({ format: "xml" }), /format must be "json" or "text": current value is "xml"$/);
  assert.throws(make({ eventBytesMax: 0 }), RangeError);
  assert.throws(make({ silenceTimeout: 0 }), /silenceTimeout must be finite and at least 1 millisecond/);
});

Deno.test("a source that does not replay does not fit into an exactly-once job", () => {
  const live = Source.sse("live", { url: "http://127.0.0.1/", schema: Schema.String });
  const flow = Flow.from(live).pipe(Flow.onError("fail"), Flow.to(Sink.memory("out")));
  const options = { name: "live", guarantee: "exactly-once", flows: [flow] } as const;
  // @ts-expect-error It is a live source.
  assert.throws(() => Job.make(options), /needs sources that replay: current value is "live"$/);
});

// connection   retry: 0, end |  ≥ 100 ms  | retry: 0, end |  ≥ 100 ms  | …
Deno.test("a server that wants no pause and sends nothing is not asked without end", () => {
  let asked = 0;
  return withServer(() => {
    asked++;
    return eventStream(["retry: 0\n\n"]);
  }, async (url) => {
    const source = Source.sse("idle", { url, schema: Schema.Unknown });
    const fiber = Effect.runFork(Stream.runDrain(source.read("0", null, 10)));
    await new Promise((resolve) => setTimeout(resolve, 350));
    await Effect.runPromise(Fiber.interrupt(fiber));
    assert.ok(asked >= 1 && asked <= 5, `${asked} connections`);
  });
});
