/** Records that are sent over HTTP: what is answered and when, and that what was answered is stored. */
import assert from "node:assert/strict";
import * as Schema from "@effect/schema";
import { Cause, Deferred, Effect, Exit, References, Schedule } from "effect";
import { Flow, Job, Sink, Source } from "@weir/streams";
import { flipAttemptsMax } from "../src/exactly-once/commit.ts";
import { memoryKv } from "../src/testing/memory-kv.ts";

const Order = Schema.Struct({ id: Schema.Number });
type Order = typeof Order.Type;

/** How a job is served in a test. */
interface Serving {
  readonly source?: Partial<Source.HttpSourceOptions<Order, false>>;
  readonly run?: Job.RunOptions;
  readonly sink?: Sink.Sink<Order, Sink.Transactional | Sink.Idempotent>;
}

/** A job that is being sent orders. */
interface Served {
  readonly url: string;
  /** Every address at which it has listened. */
  readonly addresses: ReadonlyArray<Source.HttpAddress>;
  readonly running: Job.RunningJob;
  readonly values: () => ReadonlyArray<Order>;
  readonly stop: () => Promise<Job.JobSummary>;
}

/** Serves a job as long as the body of the test lasts. It warns of what is injected here. */
const serve = (options: Serving, body: (served: Served) => Promise<void>): Promise<void> => {
  const listening = Deferred.makeUnsafe<void>();
  const addresses: Array<Source.HttpAddress> = [];
  const out = Sink.memory<Order>("out");
  const orders = Source.http("orders", {
    schema: Order,
    port: 0,
    onListen: (address) => {
      addresses.push(address);
      Deferred.doneUnsafe(listening, Effect.void);
    },
    ...options.source,
  });
  const job = Job.make({
    name: "orders",
    guarantee: "at-least-once",
    flows: [Flow.from(orders).pipe(Flow.to(options.sink ?? out))],
  });
  const program = Effect.gen(function* () {
    const running = yield* Job.start(job, { kv: memoryKv(), epochInterval: "20 millis", ...options.run });
    yield* Effect.raceFirst(Deferred.await(listening), running.await);
    const stop = () => Effect.runPromise(running.stop);
    yield* Effect.promise(() => body({ url: addresses[0].url, addresses, running, values: out.values, stop }));
  });
  return Effect.runPromise(Effect.provideService(Effect.scoped(program), References.MinimumLogLevel, "None"));
};

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // deno-lint-ignore no-explicit-any -- each test says what it expects
  readonly body: any;
}

const post = async (
  url: string,
  body: BodyInit,
  type = "application/json",
  init: RequestInit = {},
): Promise<Answer> => {
  const response = await fetch(url, { method: "POST", body, ...init, headers: { "content-type": type } });
  return { status: response.status, headers: response.headers, body: await response.json() };
};

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

const ndjson = "application/x-ndjson";

// ── What is taken ───────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("one JSON value, an array of them, and lines of JSON are taken in the order of the requests", () =>
  serve({}, async ({ url, values }) => {
    assert.deepEqual((await post(url, '{"id":1}')).body, { accepted: 1, rejected: 0 });
    assert.deepEqual((await post(url, '[{"id":2},{"id":3}]')).body, { accepted: 2, rejected: 0 });
    assert.deepEqual((await post(url, '\uFEFF{"id":4}\r\n\n{"id":5}', ndjson)).body, { accepted: 2, rejected: 0 });
    const { status } = await post(url, '{"id":6}', 'Application/JSON; charset="UTF-8"');
    assert.equal(status, 200);
    assert.deepEqual(values().map(({ id }) => id), [1, 2, 3, 4, 5, 6]);
  }));

Deno.test("a request without records is answered at once", () =>
  serve({ run: { epochInterval: "1 hour" } }, async ({ url }) => {
    assert.deepEqual((await post(url, "[]")).body, { accepted: 0, rejected: 0 });
    assert.deepEqual((await post(url, "\n \n", ndjson)).body, { accepted: 0, rejected: 0 });
  }));

Deno.test("a body of 10 MB is taken where it may be that long", () =>
  serve({ source: { requestBytesMax: 16 * 1_024 * 1_024, pendingRecordsMax: 1_000_000 } }, async ({ url, values }) => {
    const line = `{"id":7,"text":"${"x".repeat(1_000)}"}\n`;
    const { body } = await post(url, line.repeat(10_000), ndjson);
    assert.deepEqual(body, { accepted: 10_000, rejected: 0 });
    assert.equal(values().length, 10_000);
  }));

// ── When it is answered ─────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a request is answered when the epoch that holds its last record is stored", () =>
  // request    a: 1 2      b: 3 4 5
  // epochs    └──────────────┘└────── (3 records each)
  // answers                  a        b once 6 has come
  serve({ run: { epochInterval: "1 hour", epochRecordsMax: 3, batchRecordsMax: 1 } }, async ({ url, values }) => {
    const answered: Array<string> = [];
    const a = post(url, '[{"id":1},{"id":2}]').then(() => answered.push("a"));
    await pause(100);
    assert.deepEqual([answered, values()], [[], []]);
    const b = post(url, '[{"id":3},{"id":4},{"id":5}]').then(() => answered.push("b"));
    await a;
    await pause(100);
    assert.deepEqual([answered, values().length], [["a"], 3]);
    await Promise.all([b, post(url, '{"id":6}')]);
    assert.deepEqual(values().map(({ id }) => id), [1, 2, 3, 4, 5, 6]);
  }));

Deno.test("a stuck sink holds up the output, not the answer of an epoch that is stored", async () => {
  const open = Deferred.makeUnsafe<void>();
  const published: Array<Order> = [];
  const stuck = Sink.idempotent("stuck", {
    encode: (order: Order) => order,
    byteLength: () => 8,
    open: (_context) =>
      Effect.succeed({
        marker: null,
        publish: ({ rows }) => Effect.andThen(Deferred.await(open), Effect.sync(() => void published.push(...rows))),
      }),
  });
  await serve({ sink: stuck }, async ({ url, stop }) => {
    assert.equal((await post(url, '{"id":1}')).status, 200);
    assert.deepEqual(published, []);
    Deferred.doneUnsafe(open, Effect.void);
    await stop();
    assert.deepEqual(published, [{ id: 1 }]);
  });
});

Deno.test("many clients at once are each answered, and each record is there once", () =>
  serve({}, async ({ url, values }) => {
    const ids = Array.from({ length: 300 }, (_, id) => id);
    const answers = await Promise.all(ids.map((id) => post(url, JSON.stringify({ id }))));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.deepEqual(values().map(({ id }) => id).sort((a, b) => a - b), ids);
  }));

// ── What is refused ─────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a request with a record that does not decode is refused as a whole, and says which and why", () =>
  serve({}, async ({ url, values }) => {
    const array = await post(url, '[{"id":1},{"id":"2"},{"id":3},null]');
    assert.equal(array.status, 400);
    assert.deepEqual(array.body, {
      error: "Cannot take the request as every record must decode: current value is 2 of 4 that do not",
      rejected: [
        { index: 1, reason: 'does not match the schema: Expected number at ["id"]' },
        { index: 3, reason: "does not match the schema: Expected object" },
      ],
    });
    const lines = await post(url, '{"id":1}\n\n{"id":\n{"id":4}\n', ndjson);
    assert.equal(lines.status, 400);
    assert.deepEqual(lines.body.rejected.map(({ line }: { readonly line: number }) => line), [3]);
    assert.match(lines.body.rejected[0].reason, /^is not JSON: /);
    assert.equal((await post(url, '{"id":9}')).status, 200);
    assert.deepEqual(values(), [{ id: 9 }]);
  }));

Deno.test("bodies that are not JSON, not UTF-8, cut or nested very deeply are refused with a reason", () =>
  serve({}, async ({ url, values }) => {
    const invalid = new Uint8Array([
      ...new TextEncoder().encode('{"id":1,"a":"'),
      0xff,
      ...new TextEncoder().encode('"}'),
    ]);
    const reasonOf = async (body: BodyInit, type?: string): Promise<string> => {
      const answer = await post(url, body, type);
      assert.equal(answer.status, 400);
      return answer.body.rejected[0].reason;
    };
    assert.match(await reasonOf(""), /^is not JSON: /);
    assert.match(await reasonOf('{"id":1'), /^is not JSON: /);
    assert.match(await reasonOf('{"id":1}\n{"id":2}'), /^is not JSON: /);
    assert.equal(await reasonOf(invalid), "is not UTF-8");
    assert.match(await reasonOf(invalid, ndjson), /^is not UTF-8: /);
    assert.match(await reasonOf("[".repeat(200_000) + "]".repeat(200_000)), /^is nested more than /);
    assert.match(await reasonOf('{"__proto__":{"id":1}}'), /^does not match the schema: /);
    assert.deepEqual(values(), []);
  }));

Deno.test("an answer tells of the first hundred records that do not decode, and how many there are", () =>
  serve({}, async ({ url }) => {
    const { body } = await post(url, "0\n".repeat(5_000), ndjson);
    assert.equal(body.rejected.length, 100);
    assert.match(body.error, /5000 of 5000/);
  }));

Deno.test("a body that is too long is refused, whether its length was announced or not", () =>
  serve({}, async ({ url, values }) => {
    const bytes = new Uint8Array(10_000_000).fill(0x20);
    const announced = await post(url, bytes);
    assert.equal(announced.status, 413);
    assert.match(announced.body.error, /must have at most 1048576 bytes: current value is 10000000$/);
    const chunked = await post(url, new Blob([bytes]).stream());
    assert.equal(chunked.status, 413);
    assert.match(chunked.body.error, /current value is more than 1048576$/);
    assert.equal((await post(url, '{"id":1}')).status, 200);
    assert.deepEqual(values(), [{ id: 1 }]);
  }));

Deno.test("another media type, charset or compression is refused", () =>
  serve({}, async ({ url }) => {
    for (
      const type of ["text/plain", "text/csv", "application/json; charset=latin1", "application/x-www-form-urlencoded"]
    ) {
      const { status, headers, body } = await post(url, '{"id":1}', type);
      assert.equal(status, 415, type);
      assert.equal(headers.get("accept-post"), "application/json, application/x-ndjson");
      const rule = type.startsWith("application/json")
        ? "its body must be in UTF-8"
        : "its Content-Type must be application/json or application/x-ndjson";
      assert.equal(body.error, `Cannot take the request as ${rule}: current value is "${type}"`);
    }
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    const gzip = await fetch(url, { method: "POST", body: '{"id":1}', headers });
    assert.match((await gzip.json()).error, /its body must not have a Content-Encoding: current value is "gzip"$/);
  }));

Deno.test("other methods and paths are refused; health is answered", () =>
  serve({ source: { path: "/orders" } }, async ({ url }) => {
    const got = await fetch(url);
    assert.deepEqual([got.status, got.headers.get("allow")], [405, "POST"]);
    await got.body?.cancel();
    const elsewhere = await post(new URL("/elsewhere", url).href, '{"id":1}');
    assert.deepEqual([elsewhere.status, elsewhere.body.error], [
      404,
      'Cannot find "/elsewhere": records go to "/orders"',
    ]);
    const health = await fetch(new URL("/health", url));
    assert.deepEqual([health.status, await health.json()], [200, { status: "ok" }]);
    const head = await fetch(new URL("/health", url), { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
  }));

Deno.test("what does not fit is sent away until there is room", () =>
  serve({ source: { pendingRecordsMax: 3 }, run: { epochInterval: "300 millis" } }, async ({ url, values }) => {
    const first = post(url, '[{"id":1},{"id":2}]');
    await pause(50);
    const full = await post(url, '[{"id":3},{"id":4}]');
    assert.deepEqual([full.status, full.headers.get("retry-after")], [503, "1"]);
    assert.match(full.body.error, /more than 3 records must not wait: current value is 2$/);
    const never = await post(url, '[{"id":1},{"id":2},{"id":3},{"id":4}]');
    assert.equal(never.status, 413);
    assert.match(never.body.error, /at most 3 records: current value is 4$/);
    assert.equal((await first).status, 200);
    assert.equal((await post(url, '[{"id":5},{"id":6},{"id":7}]')).status, 200);
    assert.deepEqual(values().map(({ id }) => id), [1, 2, 5, 6, 7]);
  }));

Deno.test("the memory of bodies is bounded, too, and given back with the answer", () =>
  serve(
    { source: { requestBytesMax: 1_000, pendingBytesMax: 1_500 }, run: { epochInterval: "300 millis" } },
    async ({ url }) => {
      const body = `{"id":1}${" ".repeat(900)}`;
      const first = post(url, body);
      await pause(50);
      assert.equal((await post(url, body)).status, 503);
      assert.equal((await first).status, 200);
      for (let k = 0; k < 3; k++) assert.equal((await post(url, `"${"x".repeat(900)}"`)).status, 400);
      assert.equal((await post(url, body)).status, 200);
    },
  ));

// ── Records that cannot be decoded as dead letters ──────────────────────────────────────────────────────────────────

Deno.test("with rejects, records that do not decode are dead letters with their bytes", async () => {
  const listening = Deferred.makeUnsafe<string>();
  const orders = Source.http("orders", {
    schema: Order,
    port: 0,
    rejects: true,
    onListen: ({ url }) => Deferred.doneUnsafe(listening, Effect.succeed(url)),
  });
  const out = Sink.memory<Order>("out");
  const letters = Sink.memory<string>("letters");
  const flow = Flow.from(orders).pipe(
    Flow.onError((side) =>
      side.pipe(
        Flow.map(({ position, raw }) => `${position} ${new TextDecoder().decode(raw!)}`),
        Flow.to(letters),
      )
    ),
    Flow.to(out),
  );
  const job = Job.make({ name: "orders", guarantee: "at-least-once", flows: [flow] });
  await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    yield* Job.start(job, { kv: memoryKv(), epochInterval: "20 millis" });
    const url = yield* Deferred.await(listening);
    yield* Effect.promise(async () => {
      assert.deepEqual((await post(url, '[{"id":1},{"id":"2"}]')).body, { accepted: 1, rejected: 1 });
      assert.deepEqual((await post(url, '{"id":3}\nx\n', ndjson)).body, { accepted: 1, rejected: 1 });
      assert.deepEqual((await post(url, "{")).body, { accepted: 0, rejected: 1 });
    });
  })));
  assert.deepEqual(out.values(), [{ id: 1 }, { id: 3 }]);
  assert.deepEqual(letters.values(), ['2 {"id":"2"}', "4 x", "5 {"]);
});

// ── Clients that are slow, and clients that go ──────────────────────────────────────────────────────────────────────

const rawRequest = async (url: string, text: string): Promise<Deno.TcpConn> => {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(`POST / HTTP/1.1\r\nhost: ${hostname}\r\n${text}`));
  return connection;
};

const cutBody = 'content-type: application/json\r\ncontent-length: 100\r\n\r\n{"id":1';

Deno.test("a client that is slow to send its body is answered 408, and holds nobody up", () =>
  serve({ source: { requestTimeout: "200 millis" } }, async ({ url, values }) => {
    const slow = await rawRequest(url, cutBody);
    assert.equal((await post(url, '{"id":2}')).status, 200);
    const answer = new Uint8Array(1_000);
    const length = await slow.read(answer);
    assert.match(new TextDecoder().decode(answer.subarray(0, length!)), /^HTTP\/1\.1 408 /);
    slow.close();
    assert.deepEqual(values(), [{ id: 2 }]);
  }));

Deno.test("a client that goes before its body has ended leaves nothing behind", () =>
  serve({ source: { requestBytesMax: 110, pendingBytesMax: 110 } }, async ({ url, values }) => {
    for (let k = 0; k < 30; k++) (await rawRequest(url, cutBody)).close();
    await pause(50);
    // All of the room is there again.
    assert.equal((await post(url, `{"id":2}${" ".repeat(100)}`)).status, 200);
    assert.deepEqual(values(), [{ id: 2 }]);
  }));

Deno.test("a client that goes before the answer disturbs nobody: its records are stored", () =>
  serve({ run: { epochInterval: "200 millis" } }, async ({ url, values }) => {
    const going = new AbortController();
    const gone = post(url, '{"id":1}', undefined, { signal: going.signal }).catch(() => "gone");
    await pause(50);
    going.abort();
    assert.equal(await gone, "gone");
    assert.equal((await post(url, '{"id":2}')).status, 200);
    assert.deepEqual(values(), [{ id: 1 }, { id: 2 }]);
  }));

/** Waits until a job has started anew. */
const listensAgain = async (addresses: ReadonlyArray<Source.HttpAddress>): Promise<void> => {
  for (let waits = 0; addresses.length < 2; waits++) {
    assert.ok(waits < 1_000, "the job does not start anew");
    await pause(10);
  }
};

// ── The end of a job, and its restarts ──────────────────────────────────────────────────────────────────────────────

Deno.test("a job that is stopped answers every request: stored or not known", () =>
  serve({ run: { epochInterval: "1 hour" } }, async ({ url, values, stop }) => {
    const ids = Array.from({ length: 50 }, (_, id) => id);
    const answers = ids.map((id) => post(url, JSON.stringify({ id })));
    const slow = await rawRequest(url, cutBody);
    await pause(100);
    await stop();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    for (const [id, status] of statuses.entries()) {
      assert.ok(status === 200 || status === 503, String(status));
      assert.equal(values().some((order) => order.id === id), status === 200);
    }
    assert.ok(statuses.includes(200));
    slow.close();
    await assert.rejects(post(url, '{"id":99}'), TypeError); // Nobody listens any more.
  }));

Deno.test("a job that starts anew answers 503 to what was not stored, and listens at the same address", async () => {
  // epoch 1: 1 ✓      epoch 2: 2 ✗ (the store fails until the job gives up)      epoch 2: 2 sent again ✓
  const kv = memoryKv();
  let failures = 0;
  kv.onCommit(() => failures-- > 0 ? "fail-before" : "ok");
  await serve({ run: { kv, restart: Schedule.recurs(3) } }, async ({ url, addresses, values, running }) => {
    assert.equal((await post(url, '{"id":1}')).status, 200);
    const slow = await rawRequest(url, cutBody);
    failures = flipAttemptsMax;
    const refused = await post(url, '{"id":2}');
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
    assert.match(refused.body.error, /current value is it has stopped or starts anew$/);
    await listensAgain(addresses);
    assert.equal(addresses[1].url, url);
    assert.equal((await post(url, '{"id":2}')).status, 200);
    assert.deepEqual(values(), [{ id: 1 }, { id: 2 }]);
    const { splits, restarts } = await Effect.runPromise(running.metrics);
    assert.deepEqual([splits[0].position, restarts], [2, 1]);
    slow.close();
  });
});

Deno.test("what was stored is answered even if the sink fails right after", async () => {
  // epoch 1 is stored ── answered ── the sink fails ── the job starts anew and publishes epoch 1
  const published: Array<Order> = [];
  let fails = true;
  const failing = Sink.idempotent("failing", {
    encode: (order: Order) => order,
    byteLength: () => 8,
    open: (_context) =>
      Effect.succeed({
        marker: null,
        publish: ({ epoch, rows }) =>
          Effect.suspend(() => {
            if (!fails) return Effect.sync(() => void published.push(...rows));
            fails = false;
            return Effect.fail(
              new Sink.SinkError({ message: "Cannot", sink: "failing", epoch, retryable: true, cause: null }),
            );
          }),
      }),
  });
  await serve({ sink: failing, run: { restart: Schedule.recurs(3) } }, async ({ url, addresses, stop }) => {
    assert.equal((await post(url, '{"id":1}')).status, 200);
    await listensAgain(addresses);
    assert.equal((await post(url, '{"id":2}')).status, 200);
    await stop();
    assert.deepEqual(published, [{ id: 1 }, { id: 2 }]);
  });
});

const failureOf = async (job: Job.Job<never>, kv = memoryKv()): Promise<Job.JobError> => {
  const running = Job.run(job, { kv, restart: Schedule.recurs(0) });
  const exit = await Effect.runPromiseExit(Effect.provideService(running, References.MinimumLogLevel, "None"));
  assert.ok(Exit.isFailure(exit));
  return Cause.squash(exit.cause) as Job.JobError;
};

const jobOf = (...sources: ReadonlyArray<Source.Source<Order, never, never, Sink.Acknowledged>>) =>
  Job.make({
    name: "orders",
    guarantee: "at-least-once",
    flows: sources.map((source, k) => Flow.from(source).pipe(Flow.to(Sink.memory(`out-${k}`)))),
  });

Deno.test("a port that is taken is an error of the source, which may pass", () =>
  serve({}, async ({ addresses: [{ port }] }) => {
    const error = await failureOf(jobOf(Source.http("more", { schema: Order, port })));
    assert.ok(error instanceof Source.SourceError);
    assert.match(
      error.message,
      new RegExp(`^Cannot listen at 127\\.0\\.0\\.1:${port} for source "more": .*in use.*choose another port\\)$`),
    );
    assert.equal(error.retryable, true);
  }));

Deno.test("one source cannot be read by two jobs at once, and the second one answers nobody", async () => {
  // job 1: a b ✓      c … not stored yet
  // job 2 knows of two records, too: it must not be taken for news of c
  const listening = Deferred.makeUnsafe<string>();
  const onListen = ({ url }: Source.HttpAddress) => void Deferred.doneUnsafe(listening, Effect.succeed(url));
  const orders = Source.http("orders", { schema: Order, port: 0, onListen });
  const kv = memoryKv();
  await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(jobOf(orders), { kv, epochInterval: "20 millis" });
    const url = yield* Deferred.await(listening);
    yield* Effect.promise(() => post(url, '[{"id":1},{"id":2}]'));
    yield* running.stop;
  })));
  await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(jobOf(orders), { kv: memoryKv(), epochInterval: "1 hour" });
    yield* Effect.sleep(50);
    const url = yield* Deferred.await(listening);
    let answered = false;
    const waiting = post(url, '{"id":3}').then(() => answered = true);
    yield* Effect.sleep(50);
    const error = yield* Effect.promise(() => failureOf(jobOf(orders), kv));
    assert.match(error.message, /must be read by one job at a time: current value is two$/);
    assert.equal(answered, false);
    yield* running.stop;
    yield* Effect.promise(() => waiting);
  })));
});

Deno.test("wrong options are refused", () => {
  const make = (options: Partial<Source.HttpSourceOptions<Order, false>>) => () =>
    Source.http("orders", { schema: Order, ...options });
  assert.throws(make({ port: 65_536 }), RangeError);
  assert.throws(make({ port: -1 }), /port must be a whole number from 0 to 65535: current value is -1$/);
  assert.throws(make({ path: "orders" }), /path must begin with "\/": current value is "orders"$/);
  assert.throws(make({ requestBytesMax: 0 }), /requestBytesMax must be a whole number above 0: current value is 0$/);
  assert.throws(make({ pendingRecordsMax: 1.5 }), RangeError);
  assert.throws(make({ pendingBytesMax: 10 }), /requestBytesMax must not be greater than pendingBytesMax, 10/);
  assert.throws(make({ requestTimeout: 0 }), /requestTimeout must be finite and at least 1 millisecond/);
});

// ── The process dies ────────────────────────────────────────────────────────────────────────────────────────────────

/** How often the process is killed. */
const kills = 30;

/** Starts the job as a process, and says where it listens. */
const startProcess = async (folder: string) => {
  const process = new Deno.Command("deno", {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-check",
      "--allow-net=127.0.0.1",
      `--allow-read=${folder}`,
      `--allow-write=${folder}`,
      "tests/programs/http-ingest.ts",
      folder,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    env: { NO_COLOR: "1" },
  }).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value: url } = await reader.read();
  assert.ok(url !== undefined, "the job has ended before it listened");
  const ended = async () => {
    while (!(await reader.read()).done);
    return await process.status;
  };
  return { process, url: url.trim(), ended };
};

Deno.test(`every order that was answered is in the output once, over ${kills} kills`, async () => {
  // client   order ──▶ answered      order ──▶ ✗ killed: not known, not sent again
  // output   once                    once or not at all
  const folder = await Deno.makeTempDir();
  const stored = new Set<string>();
  const sent = new Set<string>();
  for (let kill = 0; kill < kills; kill++) {
    const { process, url, ended } = await startProcess(folder);
    let alive = true;
    const client = async (name: string): Promise<void> => {
      for (let k = 0; alive; k++) {
        const ids = Array.from({ length: 1 + k % 3 }, (_, i) => `${kill}-${name}-${k}-${i}`);
        for (const id of ids) sent.add(id);
        try {
          const { status } = await post(url, JSON.stringify(ids.map((id) => ({ id }))));
          if (status === 200) { for (const id of ids) stored.add(id); }
        } catch {
          return; // The connection broke: the client does not know.
        }
      }
    };
    const clients = ["a", "b", "c", "d"].map(client);
    await pause(10 + (kill * 37) % 120);
    alive = false;
    process.kill("SIGKILL");
    await Promise.all(clients);
    await ended();
  }
  const { process, url, ended } = await startProcess(folder);
  assert.equal((await post(url, '{"id":"last"}')).status, 200);
  process.kill("SIGTERM");
  assert.equal((await ended()).code, 0);
  const lines = (await Deno.readTextFile(`${folder}/orders.ndjson`)).trimEnd().split("\n");
  const ids = lines.map((line) => JSON.parse(line).id);
  const twice = ids.filter((id, k) => ids.indexOf(id) !== k);
  assert.deepEqual(twice, []);
  const written = new Set(ids);
  assert.deepEqual([...stored].filter((id) => !written.has(id)), []);
  assert.deepEqual(ids.filter((id) => id !== "last" && !sent.has(id)), []);
  assert.ok(stored.size > kills, `only ${stored.size} orders were answered`);
  assert.ok(sent.size > stored.size, "no kill came between a request and its answer");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a path must be written as in a URL: no request would be found to be for another", () => {
  for (const path of ["/a b", "/größe", "/a/../b", "/in?key=1", "/in#a", "//host/in"]) {
    assert.throws(
      () => Source.http("in", { schema: Schema.Unknown, path }),
      (error) => error instanceof RangeError && error.message.includes("as path must be written as in a URL"),
      path,
    );
  }
  Source.http("in", { schema: Schema.Unknown, path: "/gr%C3%B6%C3%9Fe/a%20b" });
});
