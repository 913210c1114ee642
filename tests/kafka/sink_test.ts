/** The sink of topics: what lies in a topic after whatever has happened to the job, its state, and the broker's memory of it. */
import assert from "node:assert/strict";
import { Cause, Deferred, Effect, Exit, Logger, References, Schedule, Stream } from "effect";
import { TestClock } from "effect/testing";
import fc from "fast-check";
import { Flow, Job, Source } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { readManifest } from "../../src/exactly-once/claim.ts";
import { batchBytes } from "../../src/kafka/memory/batch-bytes.ts";
import { chunksOf } from "../../src/kafka/outgoing.ts";
import { unpackRow } from "../../src/kafka/packed-row.ts";
import { type MemoryKv, memoryKv } from "../../src/testing/memory-kv.ts";
import { runToEnd } from "../support.ts";
import { settle, withTestClock } from "../timeline.ts";
import { clusterOf, text, textsOf } from "./fixture.ts";

type Message = Kafka.KeyedMessage<string | null, string | null>;
type SinkOptions = Partial<Kafka.KafkaSinkOptions<string | null, true>>;

const clusterAt = (client: Kafka.KafkaClientProvider, options: Partial<Kafka.ClusterOptions> = {}): Kafka.Cluster =>
  Kafka.cluster({ brokers: ["127.0.0.1:9092"], client, ...options });

const topicSink = (client: Kafka.KafkaClientProvider, options: SinkOptions = {}, name = "out") =>
  Kafka.sink<string | null, string | null>(name, {
    cluster: clusterAt(client),
    topic: "out",
    key: Kafka.nullable(Kafka.string()),
    value: Kafka.nullable(Kafka.string()),
    ...options,
  });

/** A job that writes some messages to the topic `out`. Each time it is made it is what a new process would have. */
const writing = (
  client: Kafka.KafkaClientProvider,
  messages: ReadonlyArray<Message>,
  options: SinkOptions = {},
): Job.Job<never> =>
  Job.make({
    name: "job",
    guarantee: "exactly-once",
    flows: [Flow.from(Source.array("in", messages)).pipe(Flow.to(topicSink(client, options)))],
  });

/** The messages `from … to - 1`, each with its number as key and value. */
const numbered = (from: number, to: number): ReadonlyArray<Message> =>
  Array.from({ length: to - from }, (_, k) => ({ key: `${from + k}`, value: `${from + k}` }));

/** Epochs of three records, one after the other. */
const options = { state: "test.kv", epochInterval: "1 hour", epochRecordsMax: 3, batchRecordsMax: 3 } as const;

const quiet = <A, E, R>(what: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(what, References.MinimumLogLevel, "None");

const never = { restart: Schedule.recurs(0) } as const;

const run = (job: Job.Job<never>, more: Job.RunOptions): Promise<Job.JobSummary> =>
  Effect.runPromise(quiet(Job.run(job, { ...options, ...more })));

/** What a job fails with. */
const failureOf = async (job: Job.Job<never>, more: Job.RunOptions): Promise<Job.JobError> => {
  const exit = await Effect.runPromiseExit(quiet(Job.run(job, { ...options, ...never, ...more })));
  assert.ok(Exit.isFailure(exit), "it should have failed");
  return Cause.squash(exit.cause) as Job.JobError;
};

/** Runs a job until something holds or it ends, and then kills it. */
const runUntil = (job: Job.Job<never>, more: Job.RunOptions, what: () => boolean): Promise<void> =>
  Effect.runPromise(quiet(Effect.scoped(Effect.gen(function* () {
    let isOver = false;
    const running = yield* Job.start(job, { ...options, ...more });
    yield* Effect.forkScoped(Effect.exit(running.await).pipe(Effect.andThen(Effect.sync(() => isOver = true))));
    for (let n = 0; !what() && !isOver; n++) {
      if (n > 2_000) assert.fail(`it takes too long: ${what}`);
      yield* Effect.sleep("1 millis");
    }
  }))));

/** What is logged meanwhile. */
const listening = () => {
  const said: Array<string> = [];
  const logger = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))]);
  return { said, logger };
};

/** Moves the clock of a test on until something holds. */
const passUntil = (what: () => boolean, millisMax: number, step = 10): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* settle;
    for (let passed = 0; !what(); passed += step) {
      if (passed >= millisMax) assert.fail(`it takes longer than ${millisMax} ms: ${what}`);
      yield* TestClock.adjust(step);
      yield* settle;
    }
  });

const makeBroker = (partitions = 3, more: Kafka.MemoryBrokerOptions = {}): Kafka.MemoryBroker =>
  Kafka.memoryBroker({ topics: { out: partitions }, ...more });

/** What lies in the topic, in the order of numbers. */
const valuesOf = (broker: Kafka.MemoryBroker, topic = "out"): ReadonlyArray<number> =>
  broker.records(topic).map(({ value }) => Number(text(value))).sort((a, b) => a - b);

const upTo = (end: number): ReadonlyArray<number> => Array.from({ length: end }, (_, n) => n);

/** The helper group of a sink, by the lineage that its job's state holds. */
const groupOf = async (kv: MemoryKv, sink = "out"): Promise<string> => {
  const manifest = await Effect.runPromise(Effect.scoped(
    Effect.flatMap(kv.open("test.kv"), (store) => readManifest(store, "job")),
  ));
  return `job.${sink}.${manifest!.manifest.lineage}.epochs`;
};

/** A copy of what is stored, as a backup is. */
const copyOf = async (kv: MemoryKv): Promise<MemoryKv> => {
  const copy = memoryKv();
  const mutations = kv.entries("test.kv").map(({ key, value }) => ({ type: "set" as const, key, value }));
  await Effect.runPromise(Effect.scoped(
    Effect.flatMap(copy.open("test.kv"), (store) => store.commit({ checks: [], mutations })),
  ));
  return copy;
};

// ── records ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// The hashes are those of the tests of Kafka's own client.
const murmur2: ReadonlyArray<readonly [key: string, hash: number]> = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
];

Deno.test("a key goes to the partition that the Java client would choose", async () => {
  for (const partitions of [1, 3, 7, 100]) {
    const broker = makeBroker(partitions);
    await run(writing(broker, murmur2.map(([key]) => ({ key, value: key }))), { kv: memoryKv() });
    const found = new Map(broker.records("out").map(({ key, partition }) => [text(key), partition]));
    for (const [key, hash] of murmur2) assert.equal(found.get(key), (hash & 0x7fffffff) % partitions, key);
  }
});

Deno.test("a partition that is given counts, and where there is no key each has its turn", async () => {
  const broker = makeBroker(3);
  const messages: ReadonlyArray<Message> = [
    ...["a", "b", "c", "d"].map((value) => ({ key: null, value })),
    { key: "abc", value: "given", partition: 2 },
    { key: null, value: "given too", partition: 2 },
    { key: null, value: "e" },
  ];
  await run(writing(broker, messages), { kv: memoryKv(), epochRecordsMax: 100, batchRecordsMax: 100 });
  assert.deepEqual(broker.records("out").map(({ partition, value }) => `${partition} ${text(value)}`), [
    "0 a",
    "0 d",
    "1 b",
    "1 e",
    "2 c",
    "2 given",
    "2 given too",
  ]);
});

Deno.test("the order of a key is that of the job, within epochs and over them", async () => {
  const broker = makeBroker(3);
  const messages = upTo(60).map((n) => ({ key: `${n % 5}`, value: `${n}` }));
  await run(writing(broker, messages), { kv: memoryKv() });
  for (let key = 0; key < 5; key++) {
    const values = broker.records("out").filter((one) => text(one.key) === `${key}`).map(({ value }) =>
      Number(text(value))
    );
    assert.deepEqual(values, upTo(60).filter((n) => n % 5 === key));
  }
});

Deno.test("partitions are fixed with the epoch: a process that finds it committed writes it to the same ones", async () => {
  // Epochs of three: 0 1 2 | 3 4 5 | 6. The second cannot be written, and its process dies. In the next process, turns begin
  // with the first partition again.
  const broker = makeBroker(2);
  const messages = upTo(7).map((n) => ({ key: null, value: `${n}` }));
  const kv = memoryKv();
  let produced = 0;
  broker.onRequest(({ api }) => api === "Produce" && ++produced > 1 ? "lost" : "ok");
  await runUntil(writing(broker, messages), { kv }, () => produced > 1);
  broker.onRequest(() => "ok");
  await run(writing(broker, messages), { kv });
  const placed = broker.records("out").map(({ partition, value }) => `${partition}:${text(value)}`);
  assert.deepEqual(placed, ["0:0", "0:2", "0:4", "0:6", "1:1", "1:3", "1:5"]);
});

Deno.test("headers, tombstones and timestamps are written as they are given", async () => {
  const broker = makeBroker(1);
  const messages: ReadonlyArray<Message> = [
    { key: "a", value: "1", timestamp: 0, headers: { one: "x", none: null, bytes: Uint8Array.of(0xff) } },
    { key: "a", value: null, timestamp: 7, headers: [["same", "1"], ["same", "2"]] },
    { key: null, value: "2", timestamp: 253_402_300_799_999 },
  ];
  await run(writing(broker, messages), { kv: memoryKv() });
  const shown = broker.records("out").map(({ key, value, timestamp, headers }) => ({
    key: text(key),
    value: text(value),
    timestamp,
    headers: headers.map(([name, bytes]) => [name, bytes === null ? null : [...bytes]]),
  }));
  assert.deepEqual(shown, [
    { key: "a", value: "1", timestamp: 0, headers: [["one", [0x78]], ["none", null], ["bytes", [0xff]]] },
    { key: "a", value: null, timestamp: 7, headers: [["same", [0x31]], ["same", [0x32]]] },
    { key: null, value: "2", timestamp: 253_402_300_799_999, headers: [] },
  ]);
});

Deno.test("a timestamp that is not given is the time of writing", () =>
  withTestClock(Effect.gen(function* () {
    const broker = makeBroker(1);
    yield* TestClock.setTime(1_234_567);
    yield* Job.run(writing(broker, numbered(0, 2)), { ...options, kv: memoryKv() }).pipe(Effect.orDie);
    assert.deepEqual(broker.records("out").map(({ timestamp }) => timestamp), [1_234_567, 1_234_567]);
  })));

Deno.test("what a header or a value is made of may change after it was encoded", () => {
  const bytes = Uint8Array.of(1);
  const { driver } = Kafka.sink("out", { cluster: clusterOf(makeBroker()), topic: "out", value: Kafka.bytes() });
  const row = driver.encode({ value: bytes, headers: { a: bytes } });
  bytes[0] = 9;
  const { value, headers: [[name, header]] } = unpackRow(row);
  assert.deepEqual([[...value!], name, [...header!]], [[1], "a", [1]]);
});

const wrongMessages: ReadonlyArray<readonly [message: Message, reason: RegExp]> = [
  [
    { key: "a", value: "x".repeat(2_000) },
    /must have at most 1000 bytes \(max\.message\.bytes of the topic\): current value is \d+ bytes/,
  ],
  [{ key: "k".repeat(2_000), value: null }, /must have at most 1000 bytes/],
  [{ key: "a", value: "x", headers: { long: "x".repeat(1_000) } }, /must have at most 1000 bytes/],
  [{ key: "a", value: "x", partition: 3 }, /its partition must be one of 3: current value is 3/],
  [{ key: "a", value: "x", partition: -1 }, /its partition must be one of 3: current value is -1/],
  [{ key: "a", value: "x", partition: 0.5 }, /its partition must be one of 3/],
  [{ key: "a", value: "x", timestamp: -1 }, /its timestamp must be whole epoch milliseconds/],
  [{ key: "a", value: "x", timestamp: NaN }, /its timestamp must be whole epoch milliseconds/],
  [{ key: 5 as never, value: "x" }, /schema/],
];

for (const [message, reason] of wrongMessages) {
  const shown = Deno.inspect(message, { strAbbreviateSize: 20 });
  Deno.test(`a record that cannot be written ends the job with its coordinates, and its epoch is not committed: ${shown}`, async () => {
    const broker = makeBroker(3, { batchBytesMax: 1_000 });
    const messages = [...numbered(0, 4), message, ...numbered(5, 9)];
    const kv = memoryKv();
    const error = await failureOf(writing(broker, messages), { kv });
    assert.ok(error._tag === "UserCodeError", String(error));
    assert.deepEqual([error.source, error.split, error.position], ["in", "0", 5]);
    assert.match(error.message, reason);
    // The epoch before it may be there, and nothing of its own.
    assert.ok(["", "0,1,2"].includes(valuesOf(broker).join()), String(valuesOf(broker)));
    // It goes on from there when the record is right.
    await run(writing(broker, numbered(0, 9)), { kv });
    assert.deepEqual(valuesOf(broker), upTo(9));
  });
}

Deno.test("a large epoch is cut into requests that the topic takes, and is visible at once", async () => {
  const broker = makeBroker(2, { batchBytesMax: 2_000 });
  let requests = 0;
  const visible: Array<number> = [];
  broker.onRequest(({ api }) => {
    if (api === "Produce") {
      requests++;
      visible.push(broker.records("out").length);
    }
    return "ok";
  });
  const messages = upTo(200).map((n) => ({ key: `${n}`, value: `${n}`.padStart(100, "0") }));
  await run(writing(broker, messages), { kv: memoryKv(), epochRecordsMax: 1_000, batchRecordsMax: 1_000 });
  assert.ok(requests >= 10, `${requests}`);
  assert.deepEqual(new Set(visible), new Set([0]));
  assert.deepEqual(valuesOf(broker), upTo(200));
});

const outgoing = fc.record<Kafka.OutgoingRecord>({
  topic: fc.constant("out"),
  partition: fc.integer({ min: 0, max: 2 }),
  timestamp: fc.integer({ min: 0, max: 2 ** 45 }),
  key: fc.option(fc.uint8Array({ maxLength: 100 })),
  value: fc.option(fc.uint8Array({ maxLength: 400 })),
  headers: fc.array(
    fc.tuple(fc.string({ unit: "grapheme", maxLength: 8 }), fc.option(fc.uint8Array({ maxLength: 30 }), { nil: null })),
    { maxLength: 3 },
  ),
});

Deno.test("requests hold all records in their order, and no batch of any has more bytes than the topic takes", () =>
  fc.assert(
    fc.property(
      fc.array(outgoing, { maxLength: 60 }),
      fc.integer({ min: 1_200, max: 5_000 }),
      (records, batchBytesMax) => {
        const chunks = chunksOf(records, { batchBytesMax, partitions: 3 });
        assert.deepEqual(chunks.flat(), records);
        for (const chunk of chunks) {
          for (const records of Map.groupBy(chunk, ({ partition }) => partition).values()) {
            assert.ok(batchBytes(records) <= batchBytesMax);
          }
        }
      },
    ),
    { numRuns: 300 },
  ));

// ── what stands in the way of opening ───────────────────────────────────────────────────────────────────────────────

Deno.test("a topic that does not exist ends the job, and is named", async () => {
  const error = await failureOf(writing(makeBroker(), [], { topic: "nowhere" }), { kv: memoryKv() });
  assert.ok(error._tag === "SinkError" && !error.retryable && error.sink === "out" && error.epoch === 0);
  assert.match(error.message, /topic "nowhere" as it must exist at 127\.0\.0\.1:9092/);
});

for (const api of ["Metadata", "DescribeConfigs", "InitProducerId", "OffsetFetch", "TxnOffsetCommit"] as const) {
  Deno.test(`what the broker does not allow ends the job: ${api}`, async () => {
    const broker = makeBroker();
    broker.onRequest((request) => request.api === api ? { error: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" } : "ok");
    const error = await failureOf(writing(broker, numbered(0, 3)), { kv: memoryKv() });
    assert.ok(error._tag === "SinkError" && !error.retryable && error.sink === "out", String(error));
    assert.match(error.message, /TRANSACTIONAL_ID_AUTHORIZATION_FAILED/);
  });
}

Deno.test("a cluster that cannot be reached is an error that may pass", async () => {
  const broker = makeBroker();
  broker.onRequest(() => "lost");
  const error = await failureOf(writing(broker, numbered(0, 3)), { kv: memoryKv() });
  assert.ok(error._tag === "SinkError" && error.retryable);
});

// ── the marker ──────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("state that is older than the topic ends the job: StateBehindOutput", async () => {
  const broker = makeBroker();
  const kv = memoryKv();
  await run(writing(broker, numbered(0, 3)), { kv, mode: "available-now" });
  const backup = await copyOf(kv);
  await run(writing(broker, numbered(0, 9)), { kv, mode: "available-now" });
  const error = await failureOf(writing(broker, numbered(0, 9)), { kv: backup });
  assert.ok(error._tag === "StateBehindOutput", String(error));
  assert.ok(error.sink === "out" && error.found > error.committed, String(error));
  assert.match(error.message, /topic "out" must hold no more than the job's state knows/);
  assert.deepEqual(valuesOf(broker), upTo(9));
  // The rightful state goes on.
  await run(writing(broker, numbered(0, 12)), { kv, mode: "available-now" });
  assert.deepEqual(valuesOf(broker), upTo(12));
});

Deno.test("a job whose state was deleted is another one, of a lineage of its own: it writes everything again", async () => {
  const broker = makeBroker();
  for (let life = 1; life <= 2; life++) {
    await run(writing(broker, numbered(0, 6)), { kv: memoryKv() });
    assert.equal(valuesOf(broker).length, 6 * life);
  }
});

Deno.test("a state that another one of its job has taken the place of may not go on, unless it is told to", async () => {
  const broker = makeBroker();
  const [first, second] = [memoryKv(), memoryKv()];
  await run(writing(broker, numbered(0, 3)), { kv: first, mode: "available-now" });
  const { said, logger } = listening();
  const anew = Job.run(writing(broker, numbered(0, 3)), { ...options, kv: second, mode: "available-now" });
  await Effect.runPromise(Effect.provide(anew, logger));
  assert.match(said.join(), /^Sink "out" begins anew: topic "out" holds results of another state of job "job"/);
  assert.equal(valuesOf(broker).length, 6);
  for (let start = 0; start < 2; start++) {
    const error = await failureOf(writing(broker, numbered(0, 9)), { kv: first });
    assert.ok(error._tag === "SinkError" && !error.retryable, String(error));
    assert.match(error.message, /current value is another state, which has begun since \(otherState: "replace"/);
  }
  assert.equal(valuesOf(broker).length, 6);
  // The one that is the owner now goes on as if nothing had happened.
  await run(writing(broker, numbered(0, 6)), { kv: second, mode: "available-now" });
  assert.equal(valuesOf(broker).length, 9);
  await run(writing(broker, numbered(0, 6), { otherState: "replace" }), { kv: first, mode: "available-now" });
  assert.equal(valuesOf(broker).length, 12);
  assert.equal((await failureOf(writing(broker, numbered(0, 9)), { kv: second }))._tag, "SinkError");
  assert.equal(valuesOf(broker).length, 12);
});

Deno.test("a new state does not begin where it is told to leave the results of another one alone", async () => {
  const broker = makeBroker();
  const refusing = { otherState: "fail" } as const;
  await run(writing(broker, numbered(0, 3), refusing), { kv: memoryKv(), mode: "available-now" });
  const kv = memoryKv();
  for (let start = 0; start < 2; start++) {
    const error = await failureOf(writing(broker, numbered(0, 3), refusing), { kv });
    assert.ok(error._tag === "SinkError" && !error.retryable, String(error));
    assert.match(error.message, /current value is another state, whose results are there/);
  }
  assert.deepEqual(valuesOf(broker), upTo(3));
  await run(writing(broker, numbered(0, 3), { transactionalId: "another" }), { kv: memoryKv(), mode: "available-now" });
  assert.equal(valuesOf(broker).length, 6, "who has another transactional id is another writer");
});

Deno.test("of two processes with a state each, the one that was there first fails, at its next epoch", async () => {
  const broker = makeBroker();
  const goOn = Deferred.makeUnsafe<void>();
  const endless = (from: number) =>
    Job.make({
      name: "job",
      guarantee: "exactly-once",
      flows: [
        Flow.from(Source.make({
          name: "in",
          bounded: false,
          splits: Effect.succeed(["0"]),
          read: (_split, at) => {
            const batchOf = (start: number) => ({
              records: numbered(from + start, from + start + 3),
              positions: [start + 1, start + 2, start + 3],
            });
            const next = Number(at ?? 0);
            const later = Stream.fromEffect(Effect.as(Deferred.await(goOn), batchOf(next + 3)));
            return Stream.concat(Stream.concat(Stream.make(batchOf(next)), later), Stream.never);
          },
        })).pipe(Flow.to(topicSink(broker))),
      ],
    });
  await Effect.runPromise(quiet(Effect.scoped(Effect.gen(function* () {
    const until = (what: () => boolean) => Effect.repeat(Effect.sleep(2), { until: what, times: 2_000 });
    const first = yield* Job.start(endless(0), { ...options, kv: memoryKv() });
    yield* until(() => valuesOf(broker).length === 3);
    const second = yield* Job.start(endless(100), { ...options, kv: memoryKv() });
    yield* until(() => valuesOf(broker).length === 6);
    yield* Deferred.succeed(goOn, undefined);
    const ended = yield* Effect.exit(first.await);
    assert.ok(Exit.isFailure(ended));
    assert.match(String(Cause.squash(ended.cause)), /one state of job "job" may write there/);
    yield* until(() => valuesOf(broker).length === 9);
    yield* second.stop;
  }))));
  assert.deepEqual(valuesOf(broker), [0, 1, 2, 100, 101, 102, 103, 104, 105]);
});

Deno.test("a state whose owner the broker has forgotten is the owner again", async () => {
  const broker = makeBroker();
  const kv = memoryKv();
  await run(writing(broker, numbered(0, 3)), { kv, mode: "available-now" });
  const [{ offset }] = broker.offsetsOf("job.out.owner");
  broker.expireGroup("job.out.owner");
  await run(writing(broker, numbered(0, 6)), { kv, mode: "available-now" });
  assert.deepEqual(broker.offsetsOf("job.out.owner").map((one) => one.offset), [offset]);
  assert.deepEqual(valuesOf(broker), upTo(6));
});

/** A job that has committed the epochs 0 1 2 | 3 4 5, of which the second is not in the topic, and which has died. */
const diedUnpublished = async (published = false) => {
  const broker = makeBroker();
  const kv = memoryKv();
  let seen = 0;
  // If the second epoch is in the topic nevertheless, only nobody has heard of it.
  const api = published ? "EndTxn" : "Produce";
  const first = published ? 2 : 1; // The first transaction makes the marker.
  broker.onRequest((request) => {
    if (request.api === api) seen++;
    if (seen <= first) return "ok";
    return published && seen === first + 1 && request.api === api ? "applied" : "lost";
  });
  await runUntil(writing(broker, numbered(0, 6)), { kv }, () => seen > first);
  broker.onRequest(() => "ok");
  assert.deepEqual(valuesOf(broker), upTo(published ? 6 : 3));
  return { broker, kv, group: await groupOf(kv) };
};

for (const forget of ["the group expires", "the marker topic is deleted"] as const) {
  for (const published of [false, true]) {
    Deno.test(`${forget} while output is outstanding that ${published ? "is" : "is not"} there: PublicationUnknown`, async () => {
      const { broker, kv, group } = await diedUnpublished(published);
      assert.equal(broker.offsetsOf(group).length, 1);
      if (forget === "the group expires") broker.expireGroup(group);
      else broker.deleteTopic("weir.epochs");
      const before = valuesOf(broker);
      const error = await failureOf(writing(broker, numbered(0, 6)), { kv });
      assert.ok(error._tag === "PublicationUnknown", String(error));
      assert.deepEqual([error.sink, error.committed > error.published], ["out", true]);
      assert.match(error.message, /whenUnknown: "publish" writes them, "skip" does not/);
      assert.deepEqual(valuesOf(broker), before);
      // It is so again at the next start, and a person decides.
      assert.equal((await failureOf(writing(broker, numbered(0, 6)), { kv }))._tag, "PublicationUnknown");
      await run(writing(broker, numbered(0, 9), { whenUnknown: published ? "skip" : "publish" }), { kv });
      assert.deepEqual(valuesOf(broker), upTo(9));
      // Once is enough.
      assert.equal(broker.offsetsOf(group).length, 1);
    });
  }
}

Deno.test("a marker that is gone where nothing is outstanding is made anew, and the job goes on", async () => {
  const broker = makeBroker();
  const kv = memoryKv();
  await run(writing(broker, numbered(0, 6)), { kv, mode: "available-now" });
  const group = await groupOf(kv);
  const [{ offset }] = broker.offsetsOf(group);
  broker.expireGroup(group);
  await run(writing(broker, numbered(0, 6)), { kv, mode: "available-now" });
  assert.deepEqual(broker.offsetsOf(group).map((one) => one.offset), [offset]);
  broker.expireGroup(group);
  await run(writing(broker, numbered(0, 9)), { kv, mode: "available-now" });
  assert.deepEqual(valuesOf(broker), upTo(9));
});

Deno.test("a marker that is gone just when the outcome of an epoch is unknown does not let it be written twice", async () => {
  const broker = makeBroker();
  const kv = memoryKv();
  let ends = 0;
  let group = "";
  broker.onRequest(({ api }) => {
    if (api === "OffsetFetch" && ends === 3) broker.expireGroup(group);
    // The first one makes the marker; the third is applied, but its answer is lost.
    return api === "EndTxn" && ++ends === 3 ? "applied" : "ok";
  });
  const counting: Kafka.KafkaClientProvider = {
    name: "counting",
    open: (settings) =>
      Effect.map(broker.open(settings), (client) => ({
        ...client,
        committed: (of, topic, partitions) => {
          if (of.endsWith(".epochs")) group = of;
          return client.committed(of, topic, partitions);
        },
      })),
  };
  const error = await failureOf(writing(counting, numbered(0, 9)), { kv, restart: Schedule.recurs(3) });
  assert.equal(error._tag, "PublicationUnknown");
  assert.deepEqual(valuesOf(broker), upTo(6));
});

Deno.test("the marker is written anew every day, so that the broker does not forget it", () =>
  withTestClock(Effect.gen(function* () {
    const broker = makeBroker(1);
    const kv = memoryKv();
    const source = Source.make({
      name: "in",
      bounded: false,
      splits: Effect.succeed(["0"]),
      read: (_split, from) =>
        Stream.concat(
          from === null ? Stream.make({ records: numbered(0, 1), positions: [1] }) : Stream.empty,
          Stream.never,
        ),
    });
    const job = Job.make({
      name: "job",
      guarantee: "exactly-once",
      flows: [Flow.from(source).pipe(Flow.to(topicSink(broker)))],
    });
    yield* Effect.scoped(Effect.gen(function* () {
      const running = yield* Job.start(job, { kv, state: "test.kv", epochInterval: "1 hour" });
      yield* passUntil(() => broker.records("out").length === 1, 4_000_000, 600_000);
      const group = yield* Effect.promise(() => groupOf(kv));
      const [{ offset }] = broker.offsetsOf(group);
      for (let day = 0; day < 3; day++) {
        broker.expireGroup(group);
        yield* passUntil(() => broker.offsetsOf(group).length === 1, 25 * 3_600_000, 3_600_000);
        assert.equal(broker.offsetsOf(group)[0].offset, offset);
      }
      // Where that fails for a day, the next day mends it.
      broker.expireGroup(group);
      broker.onRequest(({ api }) => api === "EndTxn" ? { error: "PRODUCER_FENCED" } : "ok");
      let hours = 0;
      yield* passUntil(() => ++hours > 25, 48 * 3_600_000, 3_600_000);
      assert.deepEqual(broker.offsetsOf(group), []);
      broker.onRequest(() => "ok");
      yield* passUntil(() => broker.offsetsOf(group).length === 1, 25 * 3_600_000, 3_600_000);
      yield* Effect.forkScoped(Effect.ignore(running.stop));
      yield* settle;
    }));
    assert.deepEqual(valuesOf(broker), [0]);
  })));

// ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** How many requests a job makes that nothing happens to. */
const requestsOf = async (messages: ReadonlyArray<Message>): Promise<number> => {
  const broker = makeBroker();
  let requests = 0;
  broker.onRequest(() => {
    requests++;
    return "ok";
  });
  await run(writing(broker, messages), { kv: memoryKv() });
  return requests;
};

for (const fate of ["lost", "applied"] as const) {
  Deno.test(`a process that dies at any request, which is ${fate}: the next one writes what is missing, and nothing twice`, async () => {
    const messages = numbered(0, 8);
    const requests = await requestsOf(messages);
    assert.ok(requests > 20);
    for (let last = 1; last <= requests; last++) {
      const broker = makeBroker();
      const kv = memoryKv();
      let seen = 0;
      broker.onRequest(() => ++seen < last ? "ok" : seen === last ? fate : "lost");
      await runUntil(writing(broker, messages), { kv, ...never }, () => seen >= last);
      broker.onRequest(() => "ok");
      await run(writing(broker, messages), { kv });
      assert.deepEqual(valuesOf(broker), upTo(8), `died at request ${last}`);
    }
  });
}

Deno.test("processes that die one after the other, at any requests and commits, write nothing twice and lose nothing", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 25 }), fc.boolean()), { maxLength: 5 }),
      async (deaths) => {
        const broker = makeBroker();
        const kv = memoryKv();
        const messages = numbered(0, 12);
        for (const [atRequest, when, isApplied] of deaths) {
          let seen = 0;
          let isDead = false;
          const before = kv.commits();
          broker.onRequest(() => {
            if (isDead) return "lost";
            isDead = atRequest && ++seen === when;
            return isDead ? isApplied ? "applied" : "lost" : "ok";
          });
          kv.onCommit((index) =>
            !atRequest && index === before + when ? isApplied ? "crash-after" : "crash-before" : "ok"
          );
          await runUntil(writing(broker, messages), { kv, ...never }, () => isDead);
        }
        broker.onRequest(() => "ok");
        kv.onCommit(() => "ok");
        await run(writing(broker, messages), { kv });
        assert.deepEqual(valuesOf(broker), upTo(12));
      },
    ),
    { numRuns: 60 },
  ));

for (const api of ["AddPartitionsToTxn", "Produce", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn"] as const) {
  Deno.test(`a transaction whose time is over before its ${api} is written again, by the same run`, async () => {
    for (let wanted = 1; wanted <= 3; wanted++) {
      const broker = makeBroker();
      let seen = 0;
      broker.onRequest((request) => {
        if (request.api === api && ++seen === wanted) broker.timeOutTransactions();
        return "ok";
      });
      const { metrics } = await run(writing(broker, numbered(0, 9)), { kv: memoryKv() });
      assert.equal(metrics.restarts, 0);
      assert.deepEqual(valuesOf(broker), upTo(9), `${api} ${wanted}`);
    }
  });
}

Deno.test("a transaction that a dead owner has left open is ended by the next start, so that readers go on", async () => {
  const broker = makeBroker(1);
  const kv = memoryKv();
  let ends = 0;
  broker.onRequest(({ api }) => {
    if (api === "EndTxn") ends++;
    return ends >= 3 ? "lost" : "ok";
  });
  await runUntil(writing(broker, numbered(0, 6)), { kv }, () => ends >= 3);
  broker.append("out", 0, { key: "other", value: "other" });
  assert.deepEqual(textsOf(broker, "out"), ["0=0", "1=1", "2=2"]);
  broker.onRequest(() => "ok");
  await run(writing(broker, numbered(0, 6)), { kv });
  assert.deepEqual(textsOf(broker, "out"), ["0=0", "1=1", "2=2", "other=other", "3=3", "4=4", "5=5"]);
});

for (const [seconds, restarts] of [[8, 0], [30, 1]] as const) {
  Deno.test(`an outage of ${seconds} seconds where 10 are allowed: ${restarts === 0 ? "no restart" : "the run starts anew"}`, () =>
    withTestClock(Effect.gen(function* () {
      const broker = makeBroker();
      let isDown = false;
      let ends = 0;
      broker.onRequest(({ api }) => {
        // The first makes the marker; the second is an epoch's.
        if (api === "EndTxn" && ++ends === 2) isDown = true;
        return isDown ? "lost" : "ok";
      });
      const job = writing(broker, numbered(0, 6), { cluster: clusterAt(broker, { outageTimeout: "10 seconds" }) });
      const { said, logger } = listening();
      yield* Effect.scoped(Effect.gen(function* () {
        let summary: Job.JobSummary | null = null;
        const told: Array<Job.Restart> = [];
        const running = yield* Job.start(job, {
          ...options,
          kv: memoryKv(),
          onRestart: (restart) => told.push(restart),
          restart: Schedule.spaced("1 second"),
        });
        yield* Effect.forkScoped(Effect.map(running.await, (one) => summary = one));
        yield* passUntil(() => isDown, 1_000);
        let passed = 0;
        yield* passUntil(() => ++passed > seconds * 10, 100_000, 100);
        isDown = false;
        yield* passUntil(() => summary !== null, 10_000, 100);
        assert.equal(told.length > 0, restarts > 0);
        for (const { error } of told) assert.ok(error._tag === "SinkError" && error.retryable && error.sink === "out");
      })).pipe(Effect.provide(logger));
      assert.match(said[0], /^Sink "out": no success for \d s; it is tried again, for 10 s in all: Cannot /);
      if (restarts === 0) assert.match(said.slice(1).join("; "), /^Sink "out": goes on after (8|9|10) s$/);
      assert.deepEqual(valuesOf(broker), upTo(6));
    })));
}

// ── two owners ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Where a process can be held up. */
type Step = "InitProducerId" | "OffsetFetch" | "send" | "sendOffsets" | "commit";

/** A provider whose clients are held up at the n-th time of a step, in front of it or behind it, until the gate is open. */
const held = (broker: Kafka.MemoryBroker, step: Step, nth: number, isBehind: boolean) => {
  const gate = Deferred.makeUnsafe<void>();
  const state = { isHeld: false };
  let seen = 0;
  const hold = <A, E, R>(at: Step, what: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      if (at !== step || ++seen !== nth) return what;
      const waiting = Effect.andThen(Effect.sync(() => void (state.isHeld = true)), Deferred.await(gate));
      return isBehind ? Effect.tap(what, () => waiting) : Effect.andThen(waiting, what);
    });
  const provider: Kafka.KafkaClientProvider = {
    name: "held",
    open: (settings) =>
      Effect.map(broker.open(settings), (client) => ({
        ...client,
        committed: (group, topic, partitions) => hold("OffsetFetch", client.committed(group, topic, partitions)),
        transactionalProducer: (options) =>
          Effect.map(hold("InitProducerId", client.transactionalProducer(options)), ({ begin }) => ({
            begin: Effect.map(begin, (transaction) => ({
              ...transaction,
              send: (records) => hold("send", transaction.send(records)),
              sendOffsets: (offsets) => hold("sendOffsets", transaction.sendOffsets(offsets)),
              commit: hold("commit", transaction.commit),
            })),
          })),
      })),
  };
  return { provider, state, open: Deferred.succeed(gate, undefined) };
};

/** From topic to topic without an end. */
const forwarding = (client: Kafka.KafkaClientProvider): Job.Job<never> =>
  Job.make({
    name: "job",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Kafka.source("in", { cluster: clusterAt(client), topics: "in", value: Kafka.string() })).pipe(
        Flow.onError("fail"),
        Flow.map(({ value }) => ({ key: value, value })),
        Flow.to(topicSink(client)),
      ),
    ],
  });

const waitFor = (what: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let n = 0; !what(); n++) {
      if (n > 3_000) assert.fail(`it takes too long: ${what}`);
      yield* Effect.sleep("1 millis");
    }
  });

const steps: ReadonlyArray<readonly [step: Step, nth: number]> = [
  ["InitProducerId", 1],
  ["OffsetFetch", 1],
  ["sendOffsets", 1],
  ["commit", 1],
  ["send", 2],
  ["sendOffsets", 3],
  ["commit", 3],
];

for (const [step, nth] of steps) {
  for (const isBehind of [false, true]) {
    Deno.test(`an owner held up ${isBehind ? "behind" : "in front of"} ${step} ${nth} while another claims the job is Fenced, and harms nothing`, async () => {
      const broker = Kafka.memoryBroker({ topics: { in: 1, out: 2 } });
      const kv = memoryKv();
      let count = 0;
      const write = () => {
        for (let n = 0; n < 3; n++) broker.append("in", 0, { value: `${count++}` });
      };
      const { provider, state, open } = held(broker, step, nth, isBehind);
      let clients = 0;
      const shutOutBy: Array<number> = [];
      broker.onRequest(({ api, client }) => {
        clients = Math.max(clients, client + 1);
        if (api === "InitProducerId") shutOutBy.push(client);
        return "ok";
      });
      const settings = { kv, state: "test.kv", epochInterval: "5 millis" } as const;
      await Effect.runPromise(quiet(Effect.scoped(Effect.gen(function* () {
        const old = yield* Job.start(forwarding(provider), settings);
        write();
        if (nth > 1) {
          yield* waitFor(() => broker.records("out").length >= 3 || state.isHeld);
          write();
        }
        yield* waitFor(() => state.isHeld);
        const clientsOfOld = clients;
        const restarts: Array<Job.Restart> = [];
        const young = yield* Job.start(forwarding(broker), {
          ...settings,
          onRestart: (restart) => restarts.push(restart),
        });
        write();
        yield* waitFor(() => broker.records("out").length >= count);
        shutOutBy.length = 0;
        yield* open;
        const exit = yield* Effect.exit(old.await);
        assert.ok(Exit.isFailure(exit));
        const error = Cause.squash(exit.cause) as Job.JobError;
        assert.equal(error._tag, "Fenced", String(error));
        // One that had looked at its claim before it was held up cannot know better.
        if (step !== "InitProducerId") assert.deepEqual(shutOutBy.filter((client) => client < clientsOfOld), []);
        write();
        yield* waitFor(() => broker.records("out").length >= count);
        yield* young.stop;
        assert.deepEqual(restarts, []);
      }))));
      assert.deepEqual(valuesOf(broker), upTo(count));
    });
  }
}

Deno.test("the marker is read only when earlier producers are shut out, also after a failure", async () => {
  const broker = makeBroker();
  const asked = new Map<number, Array<string>>();
  let ends = 0;
  broker.onRequest(({ api, client }) => {
    if (api === "InitProducerId" || api === "OffsetFetch") asked.set(client, [...asked.get(client) ?? [], api]);
    return api === "EndTxn" && ++ends % 2 === 0 ? "applied" : "ok";
  });
  await run(writing(broker, numbered(0, 9)), { kv: memoryKv() });
  assert.deepEqual(valuesOf(broker), upTo(9));
  // The marker, and the owner.
  for (const requests of asked.values()) {
    requests.forEach((api, k) => assert.equal(api, k % 3 === 0 ? "InitProducerId" : "OffsetFetch", requests.join()));
  }
  assert.ok([...asked.values()].flat().length > 4);
});

Deno.test("owners that take the job from each other again and again write everything once", async () => {
  const broker = Kafka.memoryBroker({ topics: { in: 1, out: 2 } });
  const kv = memoryKv();
  let count = 0;
  await Effect.runPromise(quiet(Effect.scoped(Effect.gen(function* () {
    const owners: Array<Job.RunningJob> = [];
    for (let n = 0; n < 8; n++) {
      for (let k = 0; k < 3; k++) broker.append("in", 0, { value: `${count++}` });
      owners.push(yield* Job.start(forwarding(broker), { kv, state: "test.kv", epochInterval: "2 millis" }));
      yield* Effect.sleep(n % 3 * 4);
    }
    yield* waitFor(() => broker.records("out").length >= count);
    // An owner notices that it is none any more when it has something to commit. Who is the last one is not said.
    for (let k = 0; k < 3; k++) broker.append("in", 0, { value: `${count++}` });
    const ends: Array<Job.JobError> = [];
    for (const { await: end } of owners) {
      yield* Effect.forkScoped(Effect.tapError(end, (error) => Effect.sync(() => ends.push(error))));
    }
    yield* waitFor(() => broker.records("out").length >= count && ends.length === owners.length - 1);
    assert.deepEqual(new Set(ends.map(({ _tag }) => _tag)), new Set(["Fenced"]));
  }))));
  assert.deepEqual(valuesOf(broker), upTo(count));
});

// ── other guarantees, more sinks ────────────────────────────────────────────────────────────────────────────────────

Deno.test("without transactions a crash repeats whole epochs at most, and nothing is lost", async () => {
  const messages = numbered(0, 9);
  const make = (broker: Kafka.MemoryBroker) =>
    Job.make({
      name: "job",
      guarantee: "at-least-once",
      flows: [
        Flow.from(Source.array("in", messages)).pipe(
          Flow.to(Kafka.sink("out", {
            cluster: clusterOf(broker),
            topic: "out",
            key: Kafka.nullable(Kafka.string()),
            value: Kafka.nullable(Kafka.string()),
            transactional: false,
          })),
        ),
      ],
    });
  for (let at = 1; at <= 12; at++) {
    for (const what of ["crash-before", "crash-after", "lost", "applied"] as const) {
      const broker = makeBroker(1);
      const kv = memoryKv();
      kv.onCommit((index) => index === at && (what === "crash-before" || what === "crash-after") ? what : "ok");
      let seen = 0;
      broker.onRequest(() => ++seen === at && (what === "lost" || what === "applied") ? what : "ok");
      await runToEnd(make(broker), { ...options, kv });
      const written = broker.records("out", { isolation: "read_uncommitted" }).map(({ value }) => Number(text(value)));
      assert.deepEqual([...new Set(written)], upTo(9), `${what} at ${at}`);
      // Three epochs, of which at most one is there a second time, as a whole and right behind itself.
      const twice = upTo(9).filter((n) => written.filter((one) => one === n).length > 1);
      assert.ok(twice.length === 0 || (twice.length === 3 && twice[0] % 3 === 0), `${what} at ${at}: ${written}`);
      if (twice.length > 0) assert.deepEqual(written.slice(twice[0], twice[0] + 6), [...twice, ...twice]);
    }
  }
});

Deno.test("under at-most-once nothing is there twice, and what may be missing is counted", async () => {
  const messages = numbered(0, 9);
  for (let crash = 1; crash < 12; crash++) {
    const broker = makeBroker(1);
    const kv = memoryKv();
    kv.onCommit((index) => index === crash ? "crash-after" : "ok");
    let summary: Job.JobSummary | null = null;
    const job = () =>
      Job.make({
        name: "job",
        guarantee: "at-most-once",
        flows: [Flow.from(Source.array("in", messages)).pipe(Flow.to(topicSink(broker)))],
      });
    summary = await runToEnd(job(), { ...options, kv });
    const written = valuesOf(broker);
    assert.equal(new Set(written).size, written.length, `${written}`);
    assert.ok(written.length + summary.metrics.sinks[0].lostRows >= 9, `${written}`);
  }
});

Deno.test("two sinks of a job in one topic and one in another: each record once in each, whatever goes wrong", () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 60 }), async (draws) => {
      const broker = Kafka.memoryBroker({ topics: { out: 2, more: 1 } });
      let at = 0;
      broker.onRequest(() => {
        const draw = draws[at++];
        return draw === 0 ? "lost" : draw === 1 ? "applied" : draw === 2 ? { error: "NOT_COORDINATOR" } : "ok";
      });
      const flow = Flow.from(Source.array("in", numbered(0, 9)));
      const job = Job.make({
        name: "job",
        guarantee: "exactly-once",
        flows: [
          flow.pipe(Flow.to(topicSink(broker, {}, "one"))),
          flow.pipe(
            Flow.map((one) => ({ ...one, value: `${Number(one.value) + 100}` })),
            Flow.to(topicSink(broker, {}, "two")),
          ),
          flow.pipe(Flow.to(topicSink(broker, { topic: "more" }, "three"))),
        ],
      });
      await withTestClock(Effect.gen(function* () {
        let isOver = false;
        yield* Effect.forkChild(
          quiet(Job.run(job, { ...options, kv: memoryKv(), restart: Schedule.spaced("10 millis") })).pipe(
            Effect.orDie,
            Effect.andThen(Effect.sync(() => isOver = true)),
          ),
        );
        yield* passUntil(() => isOver, 60_000, 100);
      }));
      assert.deepEqual(valuesOf(broker), [...upTo(9), ...upTo(9).map((n) => n + 100)]);
      assert.deepEqual(valuesOf(broker, "more"), upTo(9));
    }),
    { numRuns: 25 },
  ));

Deno.test("two jobs on one topic do not get into each other's way", async () => {
  const broker = makeBroker();
  const make = (name: string, from: number) =>
    Job.make({
      name,
      guarantee: "exactly-once",
      flows: [Flow.from(Source.array("in", numbered(from, from + 20))).pipe(Flow.to(topicSink(broker)))],
    });
  const summaries = await Promise.all([
    run(make("one", 0), { kv: memoryKv() }),
    run(make("two", 20), { kv: memoryKv() }),
  ]);
  assert.deepEqual(summaries.map(({ metrics }) => metrics.restarts), [0, 0]);
  assert.deepEqual(valuesOf(broker), upTo(40));
});

// ── options ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const wrong: ReadonlyArray<readonly [options: SinkOptions, message: RegExp]> = [
  [{ topic: "" }, /topic must be the name of a topic/],
  [{ topic: "a b" }, /topic must be the name of a topic/],
  [{ markerTopic: "a/b" }, /markerTopic must be the name of a topic/],
  [{ compression: "brotli" as never }, /compression must be one of "none", "gzip"/],
  [{ whenUnknown: "guess" as never }, /whenUnknown must be one of "fail", "publish", "skip"/],
  [{ transactionTimeout: 0 }, /transactionTimeout must be/],
  [{ transactionalId: "" }, /transactionalId must be/],
];

for (const [options, message] of wrong) {
  Deno.test(`refused: ${Deno.inspect(options)}`, () => {
    assert.throws(
      () => topicSink(makeBroker(), options),
      (error) =>
        error instanceof RangeError && /^Cannot make sink "out" as /.test(error.message) && message.test(error.message),
    );
  });
}

Deno.test("a transaction timeout beyond the broker's is an error that does not pass", async () => {
  const error = await failureOf(writing(makeBroker(), [], { transactionTimeout: "1 hour" }), { kv: memoryKv() });
  assert.ok(error._tag === "SinkError" && !error.retryable, String(error));
  assert.match(error.message, /INVALID_TRANSACTION_TIMEOUT|may be open/);
});
