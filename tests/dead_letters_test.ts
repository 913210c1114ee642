/** Dead letters as a person handles them: kept exactly once, listed, shown, retried, and discarded. */
import assert from "node:assert/strict";
import { serialize } from "node:v8";
import { Cause, Effect, Exit, Option, References, Schedule, Schema, Stream } from "effect";
import fc from "fast-check";
import { DeadLetters, Flow, Job, Sink, Source, Watermark } from "@weir/streams";
import { checkExactlyOnce } from "@weir/streams/testing";
import { sealed } from "../src/streams/dead-letter-layout.ts";
import { valueBytesMax } from "../src/kv-state/kv-limits.ts";
import type { KvProvider } from "../src/kv-state/kv.ts";
import { type MemoryKv, memoryKv } from "../src/testing/memory-kv.ts";

const path = "dead.kv";

/** Uses the open store of a memory. */
const withLetters = <A, E>(
  kv: MemoryKv,
  use: (dead: DeadLetters.DeadLetterStore) => Effect.Effect<A, E>,
): Promise<A> => Effect.runPromise(Effect.scoped(Effect.flatMap(DeadLetters.open(path, { kv }), use)));

/** What something fails with. */
const failureOf = async <E>(effect: Effect.Effect<unknown, E>): Promise<E> => {
  const exit = await Effect.runPromiseExit(effect);
  assert.ok(Exit.isFailure(exit), "it was to fail");
  return Option.getOrThrow(Cause.findErrorOption(exit.cause));
};

/** What a request to the open store of a memory is refused with. */
const refusalOf = <E>(kv: MemoryKv, use: (dead: DeadLetters.DeadLetterStore) => Effect.Effect<unknown, E>) =>
  failureOf(Effect.scoped(Effect.flatMap(DeadLetters.open(path, { kv }), use)));

/** What most tests compare of a letter. */
const brief = (letter: DeadLetters.StoredLetter) => {
  const { number, source, position, operator, reason, raw, tries, first, status, obstacle } = letter;
  const text = new TextDecoder().decode(raw);
  const origin = first === null ? null : `${first.source} ${first.position}`;
  return [number, `${source} ${position}`, operator, reason, text, tries, origin, obstacle ?? status] as const;
};

const lettersIn = (kv: MemoryKv) =>
  withLetters(kv, (dead) => Effect.map(dead.list({ limit: 1_000 }), ({ letters }) => letters.map(brief)));

interface Order {
  readonly id: number;
}
const strict = Schema.Struct({ id: Schema.Number });
/** The same, corrected: some who send orders write the number as text. */
const lenient = Schema.Struct({ id: Schema.Union([Schema.Number, Schema.NumberFromString]) });

/** Lines of JSON as a source: what does not match is rejected with its bytes. */
const ordersOf = (lines: ReadonlyArray<string>): Source.Source<Order, Source.DecodeError, never, never> =>
  Source.make({
    name: "orders",
    bounded: true,
    rejects: true,
    splits: Effect.succeed(["0"]),
    read: (_split, from, batchRecordsMax) => {
      const decode = (line: string): Order | Source.Rejected => {
        const exit = Schema.decodeUnknownExit(Schema.fromJsonString(strict))(line);
        const bytes = new TextEncoder().encode(line);
        return Exit.isSuccess(exit) ? exit.value : new Source.Rejected("is no order", bytes, bytes.length);
      };
      return Stream.fromIterable(lines.keys().drop(Number(from ?? 0))).pipe(
        Stream.rechunk(batchRecordsMax),
        Stream.chunks,
        Stream.map((at) => ({ records: at.map((k) => decode(lines[k])), positions: at.map((k) => k + 1) })),
      );
    },
  });

/** A version of a program: how it decodes what is retried, and what it does with an order. */
interface Version {
  readonly schema?: Schema.Codec<Order, unknown>;
  readonly work?: (order: Order) => number;
}

const jobOf = (kv: MemoryKv, lines: ReadonlyArray<string>, out: Sink.MemorySink<number>, version: Version = {}) => {
  const { schema = strict, work = ({ id }) => id } = version;
  return Job.make({
    name: "orders",
    guarantee: "exactly-once",
    flows: [
      Flow.from(ordersOf(lines)).pipe(
        Flow.merge(Flow.from(Source.retries("retries", { path, schema, kv, pollInterval: "5 millis" }))),
        Flow.map(work),
        Flow.onError(Sink.deadLetters("dead", { path, kv }), { defects: true }),
        Flow.to(out),
      ),
    ],
  });
};

/** Runs a job through what is there, and starts it again whenever a store of this memory has crashed. */
const runOn = async (kv: MemoryKv, job: Job.Job<never>): Promise<Job.JobSummary> => {
  for (let starts = 0; starts < 10; starts++) {
    const running = Job.run(job, {
      kv,
      state: "test.kv",
      mode: "available-now",
      epochInterval: "1 hour",
      epochRecordsMax: 2,
      restart: Schedule.recurs(10),
    });
    const exit = await Effect.runPromiseExit(Effect.provideService(running, References.MinimumLogLevel, "None"));
    if (Exit.isSuccess(exit)) return exit.value;
    const error = Cause.squash(exit.cause);
    if (!(error instanceof Error) || !/crash/.test(error.message)) throw error;
  }
  throw new Error("The job did not end in ten starts");
};

/** Throws for every order but those below 10. */
const small = ({ id }: Order): number => {
  if (id >= 10) throw new Error(`order ${id} is too large`);
  return id;
};

const lines = ['{"id":1}', '{"id":"2"}', "{oh}", '{"id":30}', '{"id":4}', '{"id":50}'];

Deno.test("letters are numbered from the oldest on, and say where they come from, why, and what the record was", async () => {
  const kv = memoryKv();
  const out = Sink.memory<number>("out");
  const { metrics } = await runOn(kv, jobOf(kv, lines, out, { work: small }));
  assert.deepEqual(out.values(), [1, 4]);
  assert.equal(metrics.operators["onError#0"].deadLetters, 4);
  assert.deepEqual(await lettersIn(kv), [
    [1, "orders 2", 'source "orders"', "is no order", '{"id":"2"}', 0, null, "waiting"],
    [2, "orders 3", 'source "orders"', "is no order", "{oh}", 0, null, "waiting"],
    [3, "orders 4", "map#0", "order 30 is too large", '{"id":30}', 0, null, "waiting"],
    [4, "orders 6", "map#0", "order 50 is too large", '{"id":50}', 0, null, "waiting"],
  ]);
  const shown = await withLetters(kv, (dead) => dead.show(3));
  assert.deepEqual(shown, {
    number: 3,
    source: "orders",
    split: "0",
    position: 4,
    operator: "map#0",
    reason: "order 30 is too large",
    raw: new TextEncoder().encode('{"id":30}'),
    rawLength: 9,
    rawForm: "json",
    key: null,
    keyLength: 0,
    headers: [],
    headerCount: 0,
    offset: null,
    timestamp: null,
    tries: 0,
    first: null,
    status: "waiting",
    obstacle: null,
  });
  assert.equal(await withLetters(kv, (dead) => dead.show(5)), null);
});

Deno.test("two letters that were made of one record are two, with numbers of their own", async () => {
  const kv = memoryKv();
  const job = Job.make({
    name: "halves",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("orders", [7])).pipe(
        Flow.flatMap((id) => [id, id]),
        Flow.map((id): number => {
          throw new Error(`no ${id}`);
        }),
        Flow.onError(Sink.deadLetters("dead", { path, kv }), { defects: true }),
        Flow.to(Sink.memory("out")),
      ),
    ],
  });
  await runOn(kv, job);
  assert.deepEqual(await lettersIn(kv), [
    [1, "orders 1", "map#0", "no 7", "7", 0, null, "waiting"],
    [2, "orders 1", "map#0", "no 7", "7", 0, null, "waiting"],
  ]);
});

Deno.test("a corrected schema and corrected code let retried letters pass, and they are gone then", async () => {
  const kv = memoryKv();
  const out = Sink.memory<number>("out");
  await runOn(kv, jobOf(kv, lines, out, { work: small }));
  assert.deepEqual(await withLetters(kv, (dead) => dead.retry([1, 3, 4])), {
    retried: 3,
    alreadyRetrying: 0,
    unretryable: 0,
    gone: 0,
  });
  assert.deepEqual((await lettersIn(kv)).map((letter) => letter.at(-1)), [
    "retrying",
    "waiting",
    "retrying",
    "retrying",
  ]);
  await runOn(kv, jobOf(kv, lines, out, { schema: lenient }));
  assert.deepEqual(out.values(), [1, 4, 2, 30, 50]);
  assert.deepEqual((await lettersIn(kv)).map(([number]) => number), [2]);
  // The next run clears away what this one may still have needed.
  await runOn(kv, jobOf(kv, lines, out));
  const kept = kv.entries(path).map(({ key }) => key).filter(([first]) => first !== "weir");
  assert.deepEqual(kept, [["letters", 2]]);
});

Deno.test("a letter whose retry fails is a letter again, with its tries, its bytes and where it first came from", async () => {
  const kv = memoryKv();
  const out = Sink.memory<number>("out");
  await runOn(kv, jobOf(kv, lines, out, { work: small }));
  for (let tries = 1; tries <= 2; tries++) {
    assert.equal((await withLetters(kv, (dead) => dead.retry({}))).retried, 4);
    await runOn(kv, jobOf(kv, lines, out, { work: small }));
    const letters = await lettersIn(kv);
    const first = 4 * tries;
    assert.deepEqual(
      letters.map(([number, at, operator, , raw, n, origin]) => [number, at, operator, raw, n, origin]),
      [
        [first + 1, `retries ${first - 3}`, 'source "retries"', '{"id":"2"}', tries, "orders 2"],
        [first + 2, `retries ${first - 2}`, 'source "retries"', "{oh}", tries, "orders 3"],
        [first + 3, `retries ${first - 1}`, "map#0", '{"id":30}', tries, "orders 4"],
        [first + 4, `retries ${first}`, "map#0", '{"id":50}', tries, "orders 6"],
      ],
    );
    assert.match(letters[0][3], /^does not match the schema: Expected number/);
    assert.match(letters[1][3], /^is not JSON: /);
  }
  assert.deepEqual(out.values(), [1, 4]);
});

Deno.test("a record in JSON that is not of the schema any more stays a record in JSON", async () => {
  const kv = memoryKv();
  const out = Sink.memory<number>("out");
  await runOn(kv, jobOf(kv, ['{"id":30}'], out, { work: small }));
  await withLetters(kv, (dead) => dead.retry([1]));
  const large = Schema.Struct({ id: Schema.Number.check(Schema.isGreaterThan(100)) });
  await runOn(kv, jobOf(kv, ['{"id":30}'], out, { schema: large }));
  const letter = await withLetters(kv, (dead) => dead.show(2));
  assert.deepEqual([letter?.operator, letter?.rawForm, letter?.tries], ['source "retries"', "json", 1]);
});

Deno.test("to retry what is on its way changes nothing", async () => {
  const kv = memoryKv();
  const out = Sink.memory<number>("out");
  await runOn(kv, jobOf(kv, lines, out, { work: small }));
  await withLetters(kv, (dead) => dead.retry([3, 3]));
  const again = { retried: 1, alreadyRetrying: 1, unretryable: 0, gone: 0 };
  assert.deepEqual(await withLetters(kv, (dead) => dead.retry([3, 4])), again);
  await runOn(kv, jobOf(kv, lines, out));
  assert.deepEqual(out.values(), [1, 4, 30, 50]);
});

Deno.test("a request whose commit fails, applied or not, is granted once", async () => {
  for (const fate of ["fail-before", "fail-after"] as const) {
    const kv = memoryKv();
    const out = Sink.memory<number>("out");
    await runOn(kv, jobOf(kv, lines, out, { work: small }));
    const first = kv.commits();
    kv.onCommit((commit) => commit - first < 2 ? fate : "ok");
    const outcome = { retried: 2, alreadyRetrying: 0, unretryable: 0, gone: 0 };
    assert.deepEqual(await withLetters(kv, (dead) => dead.retry([3, 4])), outcome, fate);
    assert.equal(await withLetters(kv, (dead) => dead.discard([1])), 1, fate);
    kv.onCommit(() => "ok");
    await runOn(kv, jobOf(kv, lines, out));
    assert.deepEqual(out.values(), [1, 4, 30, 50]);
    assert.deepEqual((await lettersIn(kv)).map(([number]) => number), [2]);
  }
});

Deno.test("a letter that is not whole, or that JSON cannot express, says so, and is not retried", async () => {
  const kv = memoryKv();
  const values = [new Map(), "x".repeat(Flow.recordBytesMax + 1), "whole"];
  const job = Job.make({
    name: "values",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array<unknown>("values", values)).pipe(
        Flow.map((): number => {
          throw new Error("no");
        }),
        Flow.onError(Sink.deadLetters("dead", { path, kv }), { defects: true }),
        Flow.to(Sink.memory("out")),
      ),
    ],
  });
  await runOn(kv, job);
  assert.deepEqual((await lettersIn(kv)).map((letter) => letter.at(-1)), [
    "the record has no form in JSON",
    "only 32768 of its 32771 bytes were kept",
    "waiting",
  ]);
  for (const [number, obstacle] of [[1, "the record has no form"], [2, "only 32768 of its"]] as const) {
    const error = await refusalOf(kv, (dead) => dead.retry([3, number]));
    assert.ok(error instanceof DeadLetters.DeadLetterError);
    assert.equal(error.letter, number);
    assert.ok(
      error.message.startsWith(
        `Cannot retry dead letter ${number} as its record must be whole: current value is ${obstacle}`,
      ),
    );
  }
  const missing = await refusalOf(kv, (dead) => dead.retry([3, 9]));
  assert.equal(
    missing.message,
    "Cannot retry dead letter 9 as it must be there: current value is no letter of that number",
  );
  // Of numbers, all or none.
  assert.deepEqual((await lettersIn(kv)).filter((letter) => letter.at(-1) === "retrying"), []);
  const outcome = { retried: 1, alreadyRetrying: 0, unretryable: 2, gone: 0 };
  assert.deepEqual(await withLetters(kv, (dead) => dead.retry({})), outcome);
});

Deno.test("letters are listed in pages, by filters, and counted by operator and reason", async () => {
  const kv = memoryKv();
  const many = Array.from({ length: 450 }, (_, k) => k % 3 === 0 ? "{oh}" : `{"id":${k % 2 === 0 ? 10 : 20}}`);
  await runOn(kv, jobOf(kv, many, Sink.memory("out"), { work: small }));
  const numbers: Array<number> = [];
  let pages = 0;
  for (let after: number | null = 0; after !== null; pages++) {
    const page: DeadLetters.LetterPage = await withLetters(kv, (dead) => dead.list({ after: after!, limit: 50 }));
    assert.ok(page.letters.length <= 50);
    numbers.push(...page.letters.map(({ number }) => number));
    after = page.next;
  }
  assert.equal(pages, 9);
  assert.deepEqual(numbers, Array.from({ length: 450 }, (_, k) => k + 1));

  assert.deepEqual(await withLetters(kv, (dead) => dead.count()), {
    letters: 450,
    retrying: 0,
    unretryable: 0,
    groups: [
      { operator: 'source "orders"', reason: "is no order", letters: 150 },
      { operator: "map#0", reason: "order 20 is too large", letters: 150 },
      { operator: "map#0", reason: "order 10 is too large", letters: 150 },
    ],
    others: 0,
  });
  const ofReason = await withLetters(kv, (dead) => dead.list({ operator: "map#0", reason: "20 is", limit: 2 }));
  assert.deepEqual(ofReason.letters.map(({ number }) => number), [2, 6]);
  assert.equal(ofReason.next, 6);
  assert.equal((await withLetters(kv, (dead) => dead.count({ source: "others" }))).letters, 0);
  assert.equal(
    (await withLetters(kv, (dead) => dead.list({ limit: 150, operator: "map#0", reason: "10" }))).next,
    null,
  );
  for (const options of [{ limit: 0 }, { limit: 1_001 }, { limit: NaN }, { after: -1 }]) {
    assert.ok(await refusalOf(kv, (dead) => dead.list(options)) instanceof DeadLetters.DeadLetterError);
  }
});

Deno.test("letters are discarded by number and by filter, but not while they are on their way", async () => {
  const kv = memoryKv();
  const out = Sink.memory<number>("out");
  await runOn(kv, jobOf(kv, lines, out, { work: small }));
  await withLetters(kv, (dead) => dead.retry([3]));
  const error = await refusalOf(kv, (dead) => dead.discard([3]));
  assert.equal(error.message, "Cannot discard dead letter 3 as its status must be waiting: current value is retrying");
  assert.equal(await withLetters(kv, (dead) => dead.discard([1, 1, 99])), 1);
  assert.equal(await withLetters(kv, (dead) => dead.discard({ operator: "map#0" })), 1);
  assert.deepEqual((await lettersIn(kv)).map(([number]) => number), [2, 3]);
  // Numbers are not given again.
  await runOn(kv, jobOf(kv, [...lines, "{no}"], out));
  assert.deepEqual((await lettersIn(kv)).map(([number]) => number), [2, 5]);
});

Deno.test("whatever crashes, each letter is kept once, and each retry has its effect once", async () => {
  const versions = [{ work: small }, { schema: lenient, work: small }, { schema: lenient }];
  /** Runs three versions one after the other; everything is retried in between. The commits of some are lost or torn. */
  const story = async (fateOf: (commit: number) => "ok" | "crash-before" | "crash-after") => {
    const kv = memoryKv();
    const out = Sink.memory<number>("out");
    const told: Array<unknown> = [];
    for (const version of versions) {
      kv.onCommit(fateOf);
      await runOn(kv, jobOf(kv, lines, out, version));
      kv.onCommit(() => "ok");
      told.push(await lettersIn(kv));
      await withLetters(kv, (dead) => dead.retry({}));
    }
    return { told, out: out.values(), commits: kv.commits() };
  };
  const { commits, ...expected } = await story(() => "ok");
  assert.deepEqual(expected.out, [1, 4, 2, 30, 50]);
  assert.ok(commits > 20);
  for (let commit = 0; commit < commits; commit++) {
    for (const fate of ["crash-before", "crash-after"] as const) {
      const { commits: _, ...got } = await story((k) => k === commit ? fate : "ok");
      assert.deepEqual(got, expected, `${fate} at commit ${commit}`);
    }
  }
});

Deno.test("a retry that an Effect failed at, and one in a flow with event time, come back too", async () => {
  const kv = memoryKv();
  const out = Sink.memory<number>("out");
  const readings = [{ at: 0, celsius: 20 }, { at: 1_000, celsius: 30 }, { at: 2_000, celsius: 21 }];
  const schema = Schema.Struct({ at: Schema.Number, celsius: Schema.Number });
  const job = (isDown: boolean) =>
    Job.make({
      name: "readings",
      guarantee: "exactly-once",
      flows: [
        Flow.from(Source.array("readings", readings)).pipe(
          Flow.merge(Flow.from(Source.retries("retries", { path, schema, kv }))),
          Flow.mapEffect((reading) => isDown && reading.celsius > 25 ? Effect.fail("down") : Effect.succeed(reading)),
          Flow.onError(Sink.deadLetters("dead", { path, kv })),
          Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic, idleAfter: "1 second" }),
          Flow.map(({ celsius }) => celsius),
          Flow.to(out),
        ),
      ],
    });
  await runOn(kv, job(true));
  assert.deepEqual((await lettersIn(kv)).map(([, at, operator, reason]) => [at, operator, reason]), [
    ["readings 2", "mapEffect#0", "down"],
  ]);
  await withLetters(kv, (dead) => dead.retry({ operator: "mapEffect#0" }));
  await runOn(kv, job(false));
  assert.deepEqual(out.values(), [20, 21, 30]);
  assert.deepEqual(await lettersIn(kv), []);
});

/** A memory in which something happens each time that a page of letters has been read. */
const withVisitor = (kv: MemoryKv, afterPage: (page: number) => Effect.Effect<void>): KvProvider => {
  let pages = 0;
  return {
    open: (location) =>
      Effect.map(kv.open(location), (store) => ({
        ...store,
        list: (range, limit) =>
          Effect.tap(
            store.list(range, limit),
            () => range.prefix[0] === "letters" && limit > 1 ? afterPage(++pages) : Effect.void,
          ),
      })),
  };
};

// letters     1 … 100   101 … 200   201 … 250 | 251 … 350   351 … 450
// asked for   ───────── ─────────── ──────────  made meanwhile, by retries that failed again: not asked for
Deno.test("letters that are made while a filter is gone through are not retried or discarded with the others", async () => {
  const poison = Array.from({ length: 250 }, (_, k) => `{"id":${10 + k}}`);
  const made = async (kv: MemoryKv) => {
    await runOn(kv, jobOf(kv, poison, Sink.memory("out"), { work: small }));
  };
  const whileItFails = async <A, E>(kv: MemoryKv, use: (dead: DeadLetters.DeadLetterStore) => Effect.Effect<A, E>) => {
    // After five pages the job fails no more, so that even one who goes on and on comes to an end.
    const visitor = withVisitor(kv, (page) => page > 5 ? Effect.void : Effect.promise(() => made(kv)));
    return await Effect.runPromise(
      Effect.scoped(Effect.flatMap(DeadLetters.open(path, { kv: visitor }), use)),
    );
  };
  const kv = memoryKv();
  await made(kv);
  const outcome = await whileItFails(kv, (dead) => dead.retry({}));
  assert.equal(outcome.retried, 250);
  assert.deepEqual((await lettersIn(kv)).map(([number]) => number).at(-1), 450, "200 of them have failed again");

  const others = memoryKv();
  await made(others);
  await withLetters(others, (dead) => dead.retry([1, 2]));
  assert.equal(await whileItFails(others, (dead) => dead.discard({})), 248);
  assert.deepEqual((await lettersIn(others)).map(([number]) => number), [251, 252]);
});

Deno.test("letters that somebody else is done with while a filter is gone through are left and counted", async () => {
  const kv = memoryKv();
  const poison = Array.from({ length: 150 }, (_, k) => `{"id":${10 + k}}`);
  await runOn(kv, jobOf(kv, poison, Sink.memory("out"), { work: small }));
  const visitor = withVisitor(kv, (page) =>
    Effect.promise(async () => {
      // One of the letters that were just read is discarded, another one is retried, and the job handles it.
      if (page === 1) await withLetters(kv, (dead) => dead.discard([100]));
      if (page !== 2) return;
      await withLetters(kv, (dead) => dead.retry([120]));
      await runOn(kv, jobOf(kv, poison, Sink.memory("out")));
    }));
  const dead = DeadLetters.open(path, { kv: visitor });
  assert.deepEqual(await Effect.runPromise(Effect.scoped(Effect.flatMap(dead, (store) => store.retry({})))), {
    retried: 148,
    alreadyRetrying: 0,
    unretryable: 0,
    gone: 2,
  });
  assert.deepEqual((await lettersIn(kv)).filter((letter) => letter.at(-1) !== "retrying"), []);
});

// retries    1      2      3      4      5       each in an epoch of its own
// the store is opened when the job starts, and not again with each of them
Deno.test("a source of retries keeps the store open that it reads, however many epochs it acknowledges", async () => {
  const opensFor = async (rounds: number): Promise<number> => {
    const kv = memoryKv();
    const out = Sink.memory<number>("out");
    await runOn(kv, jobOf(kv, Array.from({ length: 5 }, () => '{"id":30}'), out, { work: small }));
    let opens = 0;
    const counting: MemoryKv = {
      ...kv,
      open: (location) =>
        Effect.andThen(Effect.sync(() => void (opens += location === path ? 1 : 0)), kv.open(location)),
    };
    const job = jobOf(counting, [], out);
    await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const dead = yield* DeadLetters.open(path, { kv });
      const running = yield* Job.start(job, { kv, state: "test.kv", epochInterval: "5 millis" });
      for (let round = 1; round <= rounds; round++) {
        yield* dead.retry([round]);
        // A letter is no longer shown when the epoch of its retry has been acknowledged.
        while ((yield* dead.show(round)) !== null) yield* Effect.sleep(5);
      }
      yield* running.stop;
    })));
    assert.equal(out.values().length, rounds);
    return opens;
  };
  assert.equal(await opensFor(5), await opensFor(1));
});

Deno.test("bytes that are no JSON are read by a function of one's own", async () => {
  const kv = memoryKv();
  const out = Sink.memory<number>("out");
  await runOn(kv, jobOf(kv, ["id=7", "id=x"], out));
  await withLetters(kv, (dead) => dead.retry({}));
  const parse = (bytes: Uint8Array) => {
    const [name, value] = new TextDecoder().decode(bytes).split("=");
    if (Number.isNaN(Number(value))) throw new Error(`${value} is no number`);
    return { [name]: Number(value) };
  };
  const job = Job.make({
    name: "orders",
    guarantee: "exactly-once",
    flows: [
      Flow.from(ordersOf(["id=7", "id=x"])).pipe(
        Flow.merge(Flow.from(Source.retries("retries", { path, schema: strict, kv, parse }))),
        Flow.map(({ id }) => id),
        Flow.onError(Sink.deadLetters("dead", { path, kv }), { defects: true }),
        Flow.to(out),
      ),
    ],
  });
  await runOn(kv, job);
  assert.deepEqual(out.values(), [7]);
  assert.deepEqual((await lettersIn(kv)).map(([, , , reason, raw]) => [reason, raw]), [
    ["cannot be read: x is no number", "id=x"],
  ]);
});

// ── key, headers, place and time ────────────────────────────────────────────────────────────────────────────────────

type Header = readonly [name: string, value: Uint8Array | null];

/** A record of a log, as its source reads it. */
interface Logged {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: ReadonlyArray<Header>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A source of a log, of which nothing can be decoded. */
const logOf = (log: ReadonlyArray<Logged>) =>
  Source.make<Sum, never, true, true>({
    name: "log",
    bounded: true,
    rejects: true,
    replays: true,
    splits: Effect.succeed(["log-0"]),
    read: (_split, from) =>
      Stream.fromIterable(
        log.keys().drop(Number(from ?? 0)).map((offset) => {
          const { key, value, headers } = log[offset];
          const parts = { key, headers, offset, timestamp: 1_000 + offset };
          return {
            records: [new Source.Rejected("is of no use", value, value?.length ?? 0, parts)],
            positions: [offset + 1],
          };
        }),
      ),
  });

interface Sum {
  readonly account: string;
  readonly trace: string;
  readonly cents: number | null;
}
const Sum = Schema.Struct({
  account: Schema.String,
  trace: Schema.String,
  cents: Schema.NullOr(Schema.FiniteFromString),
});

const logJob = (
  kv: MemoryKv,
  log: ReadonlyArray<Logged>,
  out: Sink.MemorySink<Sum>,
  parse?: Source.RetriesOptions<Sum>["parse"],
) =>
  Job.make({
    name: "log",
    guarantee: "exactly-once",
    flows: [
      Flow.from(logOf(log)).pipe(
        Flow.merge(
          Flow.from(Source.retries("retries", { path, schema: Sum, kv, ...(parse === undefined ? {} : { parse }) })),
        ),
        Flow.onError(Sink.deadLetters("dead", { path, kv })),
        Flow.to(out),
      ),
    ],
  });

const log: ReadonlyArray<Logged> = [
  {
    key: Uint8Array.of(0xff, 0),
    value: bytes("5"),
    headers: [["trace", bytes("t")], ["trace", null], ["", bytes("")]],
  },
  { key: bytes("b"), value: null, headers: [] },
  { key: null, value: bytes(""), headers: [["__proto__", Uint8Array.of(0xfe)]] },
  { key: bytes(""), value: bytes("x"), headers: [] },
];

/** What a stored letter says of its record. */
const recordIn = (letter: DeadLetters.StoredLetter | null) => {
  const { raw, rawForm, key, headers, offset, timestamp } = letter!;
  return { value: rawForm === "none" ? null : raw, key, headers, offset, timestamp };
};

const allIn = (kv: MemoryKv) => withLetters(kv, (dead) => Effect.map(dead.list(), ({ letters }) => letters));

Deno.test("a letter keeps a record's key, headers, place and time, and tells no value from an empty one", async () => {
  const kv = memoryKv();
  await runOn(kv, logJob(kv, log, Sink.memory("out")));
  const expected = log.map(({ key, value, headers }, offset) => ({
    value,
    key,
    headers,
    offset,
    timestamp: 1_000 + offset,
  }));
  const letters = await allIn(kv);
  assert.deepEqual(letters.map(recordIn), expected);
  assert.deepEqual(
    letters.map(({ rawLength, keyLength, headerCount, obstacle }) => [rawLength, keyLength, headerCount, obstacle]),
    [[1, 2, 3, null], [0, 1, 0, null], [0, 0, 1, null], [1, 0, 0, null]],
  );
  assert.deepEqual(recordIn(await withLetters(kv, (dead) => dead.show(2))), expected[1]);
});

Deno.test("a retry is read from value, key and headers; one that fails again keeps them", async () => {
  const kv = memoryKv();
  const out = Sink.memory<Sum>("out");
  await runOn(kv, logJob(kv, log, out));
  const before = (await allIn(kv)).map(recordIn);
  await withLetters(kv, (dead) => dead.retry({}));
  // Nobody reads more than JSON from the value: none of these is a Sum.
  await runOn(kv, logJob(kv, log, out));
  const again = await allIn(kv);
  assert.deepEqual(again.map(recordIn), before);
  assert.deepEqual(again.map(({ number, tries, first }) => [number, tries, first?.position]), [
    [5, 1, 1],
    [6, 1, 2],
    [7, 1, 3],
    [8, 1, 4],
  ]);
  assert.deepEqual(again.map(({ reason }) => reason.split(":")[0]), [
    "does not match the schema",
    "has no value, of which only parse can make a record",
    "is not JSON",
    "is not JSON",
  ]);
  await withLetters(kv, (dead) => dead.retry({}));
  const parse: Source.RetriesOptions<Sum>["parse"] = (value, { key, headers, rawForm, offset, timestamp, first }) => {
    assert.deepEqual([timestamp, first?.position], [1_000 + offset!, offset! + 1]);
    if (rawForm === "bytes" && value.length === 0) throw new Error("an amount has digits");
    const trace = headers.find(([name]) => name === "trace")?.[1];
    return {
      account: key === null ? "nobody" : key.toHex(),
      trace: trace == null ? "none" : new TextDecoder().decode(trace),
      cents: rawForm === "none" ? null : new TextDecoder().decode(value),
    };
  };
  await runOn(kv, logJob(kv, log, out, parse));
  assert.deepEqual(out.values(), [
    { account: "ff00", trace: "t", cents: 5 },
    { account: "62", trace: "none", cents: null },
  ]);
  const left = await allIn(kv);
  assert.deepEqual(left.map(recordIn), before.slice(2));
  assert.deepEqual(left.map(({ tries }) => tries), [2, 2]);
});

Deno.test("a retry that fails is whole in any sink, not only where its letter was kept", async () => {
  const kv = memoryKv();
  await runOn(kv, logJob(kv, log, Sink.memory("out")));
  await withLetters(kv, (dead) => dead.retry({}));
  const dead = Sink.memory<Flow.DeadLetter<unknown>>("dead");
  const retries = Flow.from(Source.retries("retries", { path, schema: Sum, kv }));
  const flow = retries.pipe(Flow.onError(dead), Flow.to(Sink.memory<Sum>("out")));
  const job = Job.make({ name: "retries", guarantee: "exactly-once", flows: [flow] });
  await Effect.runPromise(Job.run(job, { kv, state: "retries.kv", mode: "available-now" }));
  const found = dead.values().map(({ raw, rawForm, key, headers, offset, timestamp }) => ({
    value: rawForm === "none" ? null : raw,
    key,
    headers,
    offset,
    timestamp,
  }));
  assert.deepEqual(found, log.map((record, offset) => ({ ...record, offset, timestamp: 1_000 + offset })));
});

Deno.test("whatever crashes, retries of a log's records have their effect once, and lose no part of them", async () => {
  const story = async (fateOf: (commit: number) => "ok" | "crash-before" | "crash-after") => {
    const kv = memoryKv();
    const told: Array<unknown> = [];
    for (let tries = 0; tries < 3; tries++) {
      kv.onCommit(fateOf);
      await runOn(kv, logJob(kv, log, Sink.memory("out")));
      kv.onCommit(() => "ok");
      told.push(await allIn(kv));
      await withLetters(kv, (dead) => dead.retry({}));
    }
    return { told, commits: kv.commits() };
  };
  // The id in the name of the split is random.
  const withoutId = (told: unknown) => JSON.parse(JSON.stringify(told).replaceAll(/retries-[0-9a-f]+/g, "retries"));
  const { commits, told } = await story(() => "ok");
  for (let commit = 0; commit < commits; commit++) {
    for (const fate of ["crash-before", "crash-after"] as const) {
      const got = await story((k) => k === commit ? fate : "ok");
      assert.deepEqual(withoutId(got.told), withoutId(told), `${fate} at commit ${commit}`);
    }
  }
});

/** Two letters as version 0.1 stored them before letters had a key: '{"id":"2"}', and {"id":30} that a map refused. */
const earlier = [
  "AQAAACZ4eGn/D28iBnNvdXJjZSIGb3JkZXJzIgVzcGxpdCIBMCIIcG9zaXRpb25JAiIIb3BlcmF0b3IiD3NvdXJjZSAib3JkZXJzIiIGcmVhc29uIgtp" +
  "cyBubyBvcmRlciIJcmF3TGVuZ3RoSRQiB3Jhd0Zvcm0iBWJ5dGVzIgNyYXdcAQp7ImlkIjoiMiJ9IgV0cmllc0kAIgVmaXJzdDB7Cg==",
  "AQAAAD5lEGv/D28iBnNvdXJjZSIGb3JkZXJzIgVzcGxpdCIBMCIIcG9zaXRpb25JBCIIb3BlcmF0b3IiBW1hcCMwIgZyZWFzb24iFW9yZGVyIDMwIGlz" +
  "IHRvbyBsYXJnZSIJcmF3TGVuZ3RoSRIiB3Jhd0Zvcm0iBGpzb24iA3Jhd1wBCXsiaWQiOjMwfSIFdHJpZXNJACIFZmlyc3Qwewo=",
];

Deno.test("letters that an earlier version stored are listed, retried, and kept again when that fails", async () => {
  const kv = memoryKv();
  const out = Sink.memory<number>("out");
  await runOn(kv, jobOf(kv, ['{"id":"2"}', '{"id":30}'], out, { work: small }));
  for (const [k, stored] of earlier.entries()) kv.tamper(path, ["letters", k + 1], () => Uint8Array.fromBase64(stored));
  const nothing = { key: null, keyLength: 0, headers: [], headerCount: 0, offset: null, timestamp: null };
  for (const { key, keyLength, headers, headerCount, offset, timestamp, obstacle } of await allIn(kv)) {
    assert.deepEqual({ key, keyLength, headers, headerCount, offset, timestamp }, nothing);
    assert.equal(obstacle, null);
  }
  assert.deepEqual((await lettersIn(kv)).map(([, , operator, , raw]) => [operator, raw]), [
    ['source "orders"', '{"id":"2"}'],
    ["map#0", '{"id":30}'],
  ]);
  await withLetters(kv, (dead) => dead.retry({}));
  await runOn(kv, jobOf(kv, [], out, { work: small }));
  assert.deepEqual((await lettersIn(kv)).map(([number, , , , raw, tries]) => [number, raw, tries]), [
    [3, '{"id":"2"}', 1],
    [4, '{"id":30}', 1],
  ]);
  await withLetters(kv, (dead) => dead.retry({}));
  await runOn(kv, jobOf(kv, [], out, { schema: lenient }));
  assert.deepEqual(out.values(), [2, 30]);
});

/** Bytes of some length, of which each says where it lies. */
const ramp = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => at % 251);

const header: fc.Arbitrary<Header> = fc.record({
  name: fc.string({ unit: "binary", maxLength: 40 }),
  length: fc.option(fc.nat(20_000)),
}).map(({ name, length }) => [name, length === null ? null : ramp(length)]);

/** The bytes of a letter's record in UTF-8, however they were counted. */
const bytesKept = ({ raw, parts: { key, headers } }: Source.Rejected): number =>
  headers.reduce((sum, [name, value]) => sum + bytes(name).length + (value?.length ?? 0), raw.length) +
  (key?.length ?? 0);

const startsWith = (whole: Uint8Array, part: Uint8Array): boolean => part.every((byte, at) => byte === whole[at]);

Deno.test("value, key and headers share one bound; what is cut says so, and nothing is cut that has room", () => {
  const length = fc.oneof(fc.nat(100), fc.nat(100_000));
  fc.assert(fc.property(
    length.map(ramp),
    fc.option(length.map(ramp)),
    fc.oneof(fc.array(header, { maxLength: 8 }), fc.nat(5_000).map((n) => Array<Header>(n).fill(["", null]))),
    (value, key, headers) => {
      const rejected = new Source.Rejected("no", value, value.length, { key, headers, offset: 3 });
      const { raw, rawLength, parts } = rejected;
      assert.ok(bytesKept(rejected) <= Source.rejectedBytesMax);
      assert.deepEqual([rawLength, parts.keyLength, parts.headerCount, parts.offset, parts.timestamp], [
        value.length,
        key?.length ?? 0,
        headers.length,
        3,
        null,
      ]);
      assert.ok(startsWith(value, raw));
      assert.equal(parts.key === null, key === null);
      if (key !== null) assert.ok(startsWith(key, parts.key!));
      // In their order, and each of them whole.
      let at = 0;
      for (const kept of parts.headers) {
        const isSame = (one: Header) =>
          one[0] === kept[0] && (one[1] === null ? kept[1] === null : kept[1] !== null &&
            one[1].length === kept[1].length && startsWith(one[1], kept[1]));
        while (at < headers.length && !isSame(headers[at])) at++;
        assert.ok(at++ < headers.length);
      }
      // Three bytes a character, and 32 a header, are the most that they are counted with.
      const most = headers.reduce((sum, [name, value]) => sum + 32 + 3 * name.length + (value?.length ?? 0), 0) +
        value.length + (key?.length ?? 0);
      const isWhole = raw.length === value.length && parts.key?.length === key?.length &&
        parts.headers.length === headers.length;
      if (most <= Source.rejectedBytesMax) assert.ok(isWhole);
      const half = Source.rejectedBytesMax / 2;
      // Whichever is long leaves the other its half.
      if (value.length <= half) assert.equal(raw.length, value.length);
      if (most - value.length <= half) assert.deepEqual(parts.headers.length, headers.length);
      // Whatever it is, Deno KV takes it.
      assert.ok(serialize({ raw, ...parts }).length < valueBytesMax - 16_384);
    },
  ));
});

Deno.test("what a rejected record holds is a copy of its key and headers, and none of what they lay in", () => {
  const answer = new Uint8Array(1_000_000);
  const part = answer.subarray(10, 20);
  const { parts } = new Source.Rejected("no", null, 0, { key: part, headers: [["h", part]] });
  assert.deepEqual([parts.key!.buffer.byteLength, parts.headers[0][1]!.buffer.byteLength], [10, 10]);
});

Deno.test("a letter of which a part was cut is kept, says which, and is not retried", async () => {
  const kv = memoryKv();
  const big = ramp(100_000);
  const many = Array.from({ length: 5_000 }, (_, n) => [`名${n}`, null] as const);
  const cut: ReadonlyArray<Logged> = [
    { key: bytes("k"), value: big, headers: [["h", bytes("v")]] },
    { key: big, value: bytes("v"), headers: [] },
    { key: bytes("k"), value: bytes("v"), headers: [["small", null], ["big", big], ["after", bytes("1")]] },
    { key: null, value: null, headers: many },
    { key: big, value: big, headers: many },
  ];
  await runOn(kv, logJob(kv, cut, Sink.memory("out")));
  const letters = await allIn(kv);
  const { rejectedBytesMax } = Source;
  assert.deepEqual(letters.map(({ obstacle }) => obstacle), [
    `only ${rejectedBytesMax - 1 - (32 + 3 + 1)} of its 100000 bytes were kept`,
    `only ${rejectedBytesMax - 1} of the 100000 bytes of its key were kept`,
    "only 2 of its 3 headers were kept",
    `only ${letters[3].headers.length} of its 5000 headers were kept`,
    `only ${rejectedBytesMax / 2} of its 100000 bytes were kept`,
  ]);
  assert.deepEqual(letters[2].headers, [["small", null], ["after", bytes("1")]]);
  assert.ok(letters[3].headers.length > 500);
  assert.deepEqual(letters[4].key, big.slice(0, rejectedBytesMax / 2));
  assert.deepEqual(await withLetters(kv, (dead) => dead.retry({})), {
    retried: 0,
    alreadyRetrying: 0,
    unretryable: 5,
    gone: 0,
  });
});

Deno.test("a record without anything but its place can be retried; what has not even that cannot", async () => {
  const kv = memoryKv();
  await runOn(kv, logJob(kv, [{ key: null, value: null, headers: [] }], Sink.memory("out")));
  assert.deepEqual((await allIn(kv)).map(({ obstacle }) => obstacle), [null]);
  // As a source says that records were lost.
  const lost = Source.make<number, never, true, true>({
    name: "log",
    bounded: true,
    rejects: true,
    replays: true,
    splits: Effect.succeed(["log-0"]),
    read: () => Stream.fromIterable([{ records: [new Source.Rejected("lost", null, 0)], positions: [1] }]),
  });
  const others = memoryKv();
  await runOn(
    others,
    Job.make({
      name: "log",
      guarantee: "exactly-once",
      flows: [
        Flow.from(lost).pipe(
          Flow.onError(Sink.deadLetters("dead", { path, kv: others })),
          Flow.to(Sink.memory<number>("out")),
        ),
      ],
    }),
  );
  assert.deepEqual((await allIn(others)).map(({ obstacle }) => obstacle), ["nothing of its record was kept"]);
});

// ── damage ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a letter that is damaged is an error that names it, and can be discarded", async () => {
  const kv = memoryKv();
  await runOn(kv, jobOf(kv, lines, Sink.memory("out"), { work: small }));
  kv.tamper(path, ["letters", 2], (value) => (value as Uint8Array).with(20, (value as Uint8Array)[20] ^ 1));
  const error = await refusalOf(kv, (dead) => dead.list());
  assert.equal(error._tag, "StateCorrupted");
  assert.match(error.message, /^Cannot read dead letter 2 as it is damaged: its checksum is/);
  assert.equal(await withLetters(kv, (dead) => dead.discard([2])), 1);
  assert.deepEqual((await lettersIn(kv)).map(([number]) => number), [1, 3, 4]);
});

Deno.test("a letter that is damaged while it is on its way becomes one that says so, and the job goes on", async () => {
  const kv = memoryKv();
  const out = Sink.memory<number>("out");
  await runOn(kv, jobOf(kv, lines, out, { work: small }));
  await withLetters(kv, (dead) => dead.retry([3, 4]));
  kv.tamper(path, ["letters", 3], (value) => (value as Uint8Array).subarray(1));
  await runOn(kv, jobOf(kv, lines, out));
  assert.deepEqual(out.values(), [1, 4, 50]);
  const { letters } = await withLetters(kv, (dead) => dead.list({ after: 4 }));
  assert.equal(letters.length, 1);
  assert.match(letters[0].reason, /^Cannot read dead letter 3 as it is damaged: /);
  assert.deepEqual([letters[0].tries, letters[0].obstacle], [1, "nothing of its record was kept"]);
});

Deno.test("a file of dead letters that is not there is not made by looking for it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const error = await Effect.runPromise(Effect.scoped(Effect.flip(DeadLetters.open(`${folder}/dead.kv`))));
    assert.equal(error._tag, "DeadLetterError");
    assert.equal(error.message, `Cannot open "${folder}/dead.kv" as there must be a file: current value is none`);
    await assert.rejects(
      checkExactlyOnce({ output: { table: `${folder}/table.kv`, prefix: ["t"] }, expected: [] }),
      /table\.kv" as there must be a file: current value is none$/,
    );
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a file without dead letters, of another layout, or of another sink is refused", async () => {
  const kv = memoryKv();
  const none = await refusalOf(kv, (dead) => dead.list());
  assert.equal(none._tag, "DeadLetterError");
  assert.match(none.message, /^Cannot open "dead.kv" as it must be the file of a Sink.deadLetters/);
  await runOn(kv, jobOf(kv, lines, Sink.memory("out")));
  const other = Job.make({
    name: "others",
    guarantee: "exactly-once",
    flows: [
      Flow.from(ordersOf([])).pipe(Flow.onError(Sink.deadLetters("dead", { path, kv })), Flow.to(Sink.memory("out"))),
    ],
  });
  const error = await failureOf(Job.run(other, { kv, state: "others.kv" }));
  assert.equal(error._tag, "SinkError");
  assert.match(error.message, /must hold no letters of others: current value is sink "dead" of job "orders"$/);
  kv.tamper(path, ["weir", "dead-letters"], () => sealed(["weir", "dead-letters"], { format: 2 }));
  const layout = await refusalOf(kv, (dead) => dead.list());
  assert.match(layout.message, /its layout must have version 1: current value is version 2$/);
  const before = kv.entries(path);
  const sink = await failureOf(Job.run(other, { kv, state: "others.kv" }));
  assert.equal(
    sink.message,
    'Cannot open sink "dead" in "dead.kv": Cannot use a file of dead letters as its layout must have version 1: ' +
      "current value is version 2",
  );
  const retries = Source.retries("retries", { path, schema: strict, kv });
  const source = await failureOf(retries.splits);
  assert.match(source.message, /^Cannot read source "retries" from "dead.kv": .* current value is version 2$/);
  assert.deepEqual(kv.entries(path), before, "nothing was written");
  kv.tamper(path, ["weir", "dead-letters"], () => ({ format: 1 }));
  assert.equal((await refusalOf(kv, (dead) => dead.list()))._tag, "StateCorrupted");
});

Deno.test("letters are listed and retried from elsewhere while the job runs on a file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/dead.kv`;
    const out = Sink.memory<number>("out");
    let isFixed = false;
    const job = Job.make({
      name: "running",
      guarantee: "exactly-once",
      flows: [
        Flow.from(Source.array("orders", Array.from({ length: 40 }, (_, id) => ({ id })))).pipe(
          Flow.merge(Flow.from(Source.retries("retries", { path: file, schema: strict, pollInterval: "10 millis" }))),
          Flow.map((order) => isFixed ? order.id : small(order)),
          Flow.onError(Sink.deadLetters("dead", { path: file }), { defects: true }),
          Flow.to(out),
        ),
      ],
    });
    /** Waits until something holds, for ten seconds at most. */
    const until = (holds: Effect.Effect<boolean, unknown>) =>
      Effect.gen(function* () {
        for (let k = 0; k < 500; k++) {
          if (yield* holds) return;
          yield* Effect.sleep(20);
        }
        assert.fail("it did not come to hold");
      });
    const counted = (wanted: number) =>
      Effect.scoped(Effect.flatMap(DeadLetters.open(file), (dead) => dead.count())).pipe(
        Effect.map(({ letters }) => letters === wanted),
        Effect.orElseSucceed(() => false),
      );
    await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const running = yield* Job.start(job, { state: `${folder}/state.kv`, epochInterval: "10 millis" });
      yield* until(counted(30));
      isFixed = true;
      const dead = yield* DeadLetters.open(file);
      for (let k = 0; k < 3; k++) {
        yield* dead.retry({ reason: `order ${k + 1}` }); // some of them, and some again
        yield* Effect.sleep(30);
      }
      assert.equal(yield* dead.discard({ reason: "order 4 " }), 0);
      yield* until(counted(0));
      yield* running.stop;
    })));
    assert.deepEqual(out.values().toSorted((a, b) => a - b), Array.from({ length: 40 }, (_, id) => id));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
