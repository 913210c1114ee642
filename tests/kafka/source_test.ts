/** The source of topics: what it reads, where it begins and ends, and what becomes of it when the cluster does not do as it should. */
import assert from "node:assert/strict";
import * as Schema from "@effect/schema";
import { Cause, Effect, Exit, Logger, References, Schedule, Stream } from "effect";
import fc from "fast-check";
import { Flow, Job, Sink, Source, Watermark } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { simulate } from "@weir/streams/testing";
import { memoryKv } from "../../src/testing/memory-kv.ts";
import { runToEnd } from "../support.ts";
import { settle, withTestClock } from "../timeline.ts";
import { TestClock } from "effect/testing";
import { clusterOf, text } from "./fixture.ts";

type Record = Kafka.KafkaRecord<string | null, string | null>;
type Texts = Kafka.KafkaSourceOptions<string | null, string | null, ReadonlyArray<Kafka.Header>>;

/** A source of texts, where nothing is refused. */
const texts = (broker: Kafka.KafkaClientProvider, options: Partial<Texts> & Pick<Texts, "topics">) =>
  Kafka.source("in", {
    cluster: Kafka.cluster({ brokers: ["127.0.0.1:9092"], client: broker }),
    key: Kafka.nullable(Kafka.string()),
    value: Kafka.nullable(Kafka.string()),
    ...options,
  });

/** Where a record lies, and what it says. */
const placed = ({ topic, partition, offset, value }: Record): string => `${topic}-${partition}/${offset}=${value}`;

/** A job that writes down what a source reads, and what it could not read. */
const copying = (source: Source.Source<Record, unknown, never, never>) => {
  const out = Sink.memory<string>("out");
  const dead = Sink.memory<Flow.DeadLetter<unknown>>("dead");
  const job = Job.make({
    name: "copy",
    guarantee: "exactly-once",
    flows: [Flow.from(source).pipe(Flow.onError(dead), Flow.map(placed), Flow.to(out))],
  });
  return { out, dead, job };
};

const quiet = <A, E, R>(what: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(what, References.MinimumLogLevel, "None");

/** Runs something with a job that is stopped at once when it is over, as a kill does. */
const during = <E>(
  job: Job.Job<never>,
  options: Job.RunOptions,
  body: (running: Job.RunningJob) => Effect.Effect<void, E>,
): Effect.Effect<void, E> =>
  quiet(Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(job, { kv: memoryKv(), epochInterval: "5 millis", ...options });
    yield* body(running);
  })));

/** Waits until something holds, and fails when the job ends first or it takes too long. */
const until = (running: Job.RunningJob, what: () => boolean): Effect.Effect<void, Job.JobError> =>
  Effect.gen(function* () {
    for (let n = 0; !what(); n++) {
      if (n > 2_000) assert.fail(`it takes too long: ${what}`);
      yield* Effect.sleep("2 millis");
    }
  }).pipe(
    Effect.raceFirst(Effect.andThen(running.await, Effect.sync(() => void assert.ok(what(), `it ended: ${what}`)))),
  );

/** Whether an epoch holds where each split stands. */
const isRecorded = (running: Job.RunningJob): boolean => {
  const { epochs, splits } = Effect.runSync(running.metrics);
  return epochs.epoch > 0 && splits.length > 0 && splits.every(({ position }) => position !== null);
};

/** Moves the clock of a test on until something holds, and fails when it takes more than so many milliseconds. */
const passUntil = (what: () => boolean, millisMax: number, step = 10): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* settle;
    for (let passed = 0; !what(); passed += step) {
      if (passed >= millisMax) assert.fail(`it takes longer than ${millisMax} ms: ${what}`);
      yield* TestClock.adjust(step);
      yield* settle;
    }
  });

/** What a job fails with. */
const failureOf = async (running: Effect.Effect<unknown, Job.JobError>): Promise<Job.JobError> => {
  const exit = await Effect.runPromiseExit(quiet(running));
  assert.ok(Exit.isFailure(exit), "it should have failed");
  return Cause.squash(exit.cause) as Job.JobError;
};

const never = { restart: Schedule.recurs(0) } as const;

/** How long something may take that ends by itself, in milliseconds: a thousand times as long as it does. */
const endsMillisMax = 20_000;

/** Runs what is to end by itself. Where it does not, the test fails, and does not hang. */
const ending = <A, E>(what: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.timeoutOrElse(what, {
    duration: endsMillisMax,
    orElse: () => Effect.sync(() => assert.fail(`it has not ended within ${endsMillisMax} ms`)),
  }));

interface Written {
  readonly partition: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** Writes records of one topic in one transaction, which is committed, aborted or left open. */
const transact = (
  broker: Kafka.MemoryBroker,
  id: string,
  topic: string,
  records: ReadonlyArray<Written>,
  end: "commit" | "abort" | "open",
): Effect.Effect<void, Kafka.KafkaError> =>
  Effect.scoped(Effect.gen(function* () {
    const client = yield* clusterOf(broker).open;
    const { begin } = yield* client.transactionalProducer({
      transactionalId: id,
      timeoutMillis: 60_000,
      compression: "none",
    });
    const transaction = yield* begin;
    const bytes = (value: string | null) => value === null ? null : new TextEncoder().encode(value);
    yield* transaction.send(
      records.map(({ partition, key, value }) => ({
        topic,
        partition,
        timestamp: 0,
        key: bytes(key),
        value: bytes(value),
        headers: [],
      })),
    );
    if (end !== "open") yield* transaction[end];
  }));

/** What a source has from a position on, without news that are no records, and the positions behind each record. */
const readAll = async (
  source: Source.Source<Record, unknown, never, never>,
  split: string,
  from: Source.Position | null,
  batchRecordsMax: number,
) => {
  const batches = await ending(Stream.runCollect(source.read(split, from, batchRecordsMax)));
  const records: Array<string> = [];
  const positions: Array<Source.Position> = [];
  const all: Array<readonly [position: Source.Position, after: number]> = [];
  for (const batch of batches) {
    assert.ok(batch.records.length <= batchRecordsMax);
    batch.records.forEach((record, k) => {
      if (record instanceof Kafka.KafkaRecord) {
        records.push(`${record.offset}:${record.key}=${record.value}`);
        positions.push(batch.positions[k]);
      } else {
        assert.ok(record instanceof Source.PositionNotice);
      }
      all.push([batch.positions[k], records.length]);
    });
  }
  return { records, positions, all };
};

// ── positions ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface Step {
  readonly kind: "append" | "commit" | "abort";
  readonly topic: string;
  readonly records: ReadonlyArray<Written>;
}

const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.record({
    kind: fc.constantFrom("append", "commit", "abort"),
    topic: fc.constantFrom("a", "b-1"),
    records: fc.array(
      fc.record({
        partition: fc.integer({ min: 0, max: 1 }),
        key: fc.option(fc.string({ maxLength: 3 })),
        value: fc.option(fc.string({ maxLength: 20 })),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  { maxLength: 12 },
);

Deno.test("a job that reads topics up to an end can be simulated", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  for (let n = 0; n < 100; n++) broker.append("a", n % 2, { value: `${n}` });
  const make = () => copying(texts(broker, { topics: "a", bounded: true })).job;
  const { records, rows } = await simulate(make, { seeds: 10 });
  assert.deepEqual([records, rows], [100, { out: 100, dead: 0 }]);
});

Deno.test("a split read again from any position that it handed out yields the rest, whatever the size of batches and answers", () =>
  fc.assert(
    fc.asyncProperty(steps, fc.constantFrom(1, 150, 1_000_000), async (steps, partitionBytesMax) => {
      const broker = Kafka.memoryBroker({ topics: { a: 2, "b-1": 2 } });
      // What was committed, with the offsets counted here: each transaction ends with one control record in each partition.
      const expected = new Map<string, Array<string>>();
      const offsets = new Map<string, number>();
      for (const [n, { kind, topic, records }] of steps.entries()) {
        for (const { partition, key, value } of records) {
          const split = `${topic}-${partition}`;
          const offset = offsets.get(split) ?? 0;
          offsets.set(split, offset + 1);
          if (kind !== "abort") expected.set(split, [...expected.get(split) ?? [], `${offset}:${key}=${value}`]);
        }
        if (kind === "append") {
          for (const { partition, key, value } of records) broker.append(topic, partition, { key, value });
        } else {
          await Effect.runPromise(transact(broker, `p${n % 2}`, topic, records, kind));
          for (const split of new Set(records.map(({ partition }) => `${topic}-${partition}`))) {
            offsets.set(split, offsets.get(split)! + 1);
          }
        }
      }
      const source = texts(broker, { topics: ["a", "b-1"], bounded: true, partitionBytesMax });
      assert.deepEqual(await Effect.runPromise(source.splits), ["a-0", "a-1", "b-1-0", "b-1-1"]);
      for (const split of ["a-0", "a-1", "b-1-0", "b-1-1"]) {
        for (const batchRecordsMax of [1, 2, 1_000]) {
          const { records, all } = await readAll(source, split, null, batchRecordsMax);
          assert.deepEqual(records, expected.get(split) ?? []);
          for (const [position, after] of all) {
            const rest = await readAll(source, split, position, 3);
            assert.deepEqual(rest.records, records.slice(after), `${split} from ${position}`);
          }
          if (all.length > 0) assert.equal(all.at(-1)![0], `${offsets.get(split) ?? 0}/${offsets.get(split) ?? 0}`);
        }
      }
    }),
    // One that does not end takes its time whenever it is made smaller.
    { numRuns: 60, endOnFailure: true },
  ));

Deno.test("a position that is none is refused, with the source, the split and the position", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  const source = texts(broker, { topics: "a" });
  for (const position of [-1, 0.5, "", "x", "1/", "1/2/3", "-1/2"]) {
    const error = await Effect.runPromise(Effect.flip(Stream.runDrain(source.read("a-0", position, 10))));
    assert.equal(error._tag, "SourceError");
    assert.ok(!error.retryable && error.split === "a-0" && error.position === position, error.message);
    assert.match(error.message, /^Cannot read split "a-0" of source "in" as its position must be an offset/);
  }
  const error = await Effect.runPromise(Effect.flip(Stream.runDrain(source.read("b-0", null, 10))));
  assert.match(error.message, /no split of that name/);
});

// ── bounded ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Kills a bounded job at every commit of its state, with a record written to each partition at each start. */
const endsAtItsFirstEnd = async (partitions: number) => {
  for (let crash = 1; crash < 12; crash++) {
    const broker = Kafka.memoryBroker({ topics: { a: partitions } });
    const expected: Array<string> = [];
    for (let n = 0; n < 6; n++) {
      for (let p = 0; p < partitions; p++) expected.push(`a-${p}/${broker.append("a", p, { value: `${n}` })}=${n}`);
    }
    const { out, job } = copying(texts(broker, { topics: "a", bounded: true }));
    const kv = memoryKv();
    const late = () => {
      for (let p = 0; p < partitions; p++) broker.append("a", p, { value: "late" });
    };
    kv.onCommit((index) => {
      if (index > 0) late();
      return index === crash ? "crash-after" : "ok";
    });
    await runToEnd(job, { kv, epochRecordsMax: 2, batchRecordsMax: 2 });
    assert.deepEqual(out.values().toSorted(), expected.toSorted(), `killed at commit ${crash}`);
  }
};

Deno.test("a bounded job ends at the end that it saw at its first start, also when it was killed and more was written", () =>
  endsAtItsFirstEnd(1));

Deno.test("so it does with several partitions: all of their ends are those of the first start", () =>
  endsAtItsFirstEnd(3));

Deno.test("a bounded source of an empty topic ends at once", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  const { out, job } = copying(texts(broker, { topics: "a", bounded: true }));
  const { outcome } = await runToEnd(job, { kv: memoryKv() });
  assert.equal(outcome, "ended");
  assert.deepEqual(out.values(), []);
});

Deno.test("a bounded source ends at the last stable offset, in front of a transaction that is open", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  broker.append("a", 0, { value: "x" });
  await Effect.runPromise(transact(broker, "p", "a", [{ partition: 0, key: null, value: "open" }], "open"));
  broker.append("a", 0, { value: "y" });
  const read = async (isolation: Kafka.Isolation) =>
    (await readAll(texts(broker, { topics: "a", bounded: true, isolation }), "a-0", null, 10)).records;
  assert.deepEqual(await read("read_committed"), ["0:null=x"]);
  assert.deepEqual(await read("read_uncommitted"), ["0:null=x", "1:null=open", "2:null=y"]);
});

Deno.test("read_uncommitted shows what was aborted, and no control records", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  await Effect.runPromise(transact(broker, "p", "a", [{ partition: 0, key: null, value: "aborted" }], "abort"));
  broker.append("a", 0, { value: "y" });
  const read = async (isolation: Kafka.Isolation) =>
    (await readAll(texts(broker, { topics: "a", bounded: true, isolation }), "a-0", null, 10)).records;
  assert.deepEqual(await read("read_committed"), ["2:null=y"]);
  assert.deepEqual(await read("read_uncommitted"), ["0:null=aborted", "2:null=y"]);
});

// ── where it begins ─────────────────────────────────────────────────────────────────────────────────────────────────

// a-0   0 1 2 3 4      at 0 s, 10 s … 40 s; the first was deleted; group "g" has come to 3
// a-1   0 1 2          at 0 s, 10 s, 20 s; group "g" has committed nothing
const starts: ReadonlyArray<readonly [start: Kafka.Start, a0: ReadonlyArray<number>, a1: ReadonlyArray<number>]> = [
  ["earliest", [1, 2, 3, 4], [0, 1, 2]],
  ["latest", [], []],
  [{ timestamp: 15_000 }, [2, 3, 4], [2]],
  [{ timestamp: new Date(20_000) }, [2, 3, 4], [2]],
  [{ timestamp: 30_000 }, [3, 4], []],
  [{ timestamp: 0 }, [1, 2, 3, 4], [0, 1, 2]],
  [{ timestamp: 1e12 }, [], []],
  [{ offsets: { "a-0": 4 } }, [4], [0, 1, 2]],
  [{ offsets: { "a-0": 5, "a-1": 1 } }, [], [1, 2]],
  [{ offsets: { "a-1": 1 }, otherwise: "latest" }, [], [1, 2]],
  [{ group: "g" }, [3, 4], [0, 1, 2]],
  [{ group: "g", otherwise: "latest" }, [3, 4], []],
  [{ group: "nobody" }, [1, 2, 3, 4], [0, 1, 2]],
];

const makeStarts = async (): Promise<Kafka.MemoryBroker> => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  for (let n = 0; n < 5; n++) broker.append("a", 0, { value: `${n}`, timestamp: n * 10_000 });
  for (let n = 0; n < 3; n++) broker.append("a", 1, { value: `${n}`, timestamp: n * 10_000 });
  broker.deleteRecordsBefore("a", 0, 1);
  await Effect.runPromise(Effect.scoped(
    Effect.flatMap(clusterOf(broker).open, ({ commit }) => commit("g", [{ topic: "a", partition: 0, offset: 3 }])),
  ));
  return broker;
};

for (const [start, a0, a1] of starts) {
  const expected = [...a0.map((n) => `a-0/${n}=${n}`), ...a1.map((n) => `a-1/${n}=${n}`)];
  Deno.test(`it begins where it is told: ${Deno.inspect(start)}`, async () => {
    const broker = await makeStarts();
    const source = texts(broker, { topics: "a", start });
    const { out, job } = copying(source);
    await Effect.runPromise(during(job, {}, (running) =>
      Effect.gen(function* () {
        yield* until(running, () => out.values().length >= expected.length);
        yield* Effect.sleep("10 millis");
      })));
    assert.deepEqual(out.values().toSorted(), expected);
  });
}

for (const [start, a0, a1] of starts) {
  const expected = [...a0.map((n) => `a-0/${n}=${n}`), ...a1.map((n) => `a-1/${n}=${n}`)];
  Deno.test(`so does a bounded source, in epochs of one record: ${Deno.inspect(start)}`, async () => {
    const broker = await makeStarts();
    const { out, job } = copying(texts(broker, { topics: "a", start, bounded: true }));
    await runToEnd(job, { kv: memoryKv(), epochRecordsMax: 1, batchRecordsMax: 1 });
    assert.deepEqual(out.values().toSorted(), expected);
  });
}

Deno.test("where a topic begins is asked once, however many partitions it has", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 20, b: 20 } });
  let asked = 0;
  broker.onRequest(({ api }) => {
    if (api === "ListOffsets") asked++;
    return "ok";
  });
  for (const bounded of [false, true]) {
    asked = 0;
    const { job } = copying(texts(broker, { topics: ["a", "b"], bounded }));
    await ending(Job.run(job, { kv: memoryKv(), mode: "available-now" }));
    assert.equal(asked, bounded ? 4 : 2);
  }
});

Deno.test("a start at the latest survives a restart before the first record: nothing between two runs is lost", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  broker.append("a", 0, { value: "before" });
  const { out, job } = copying(texts(broker, { topics: "a", start: "latest" }));
  const kv = memoryKv();
  await Effect.runPromise(during(job, { kv }, (running) =>
    Effect.gen(function* () {
      yield* until(running, () => isRecorded(running));
      yield* running.stop;
    })));
  broker.append("a", 0, { value: "between" });
  broker.append("a", 1, { value: "between" });
  await Effect.runPromise(during(job, { kv }, (running) =>
    Effect.gen(function* () {
      yield* until(running, () => out.values().length >= 2);
      broker.append("a", 0, { value: "after" });
      yield* until(running, () => out.values().length >= 3);
    })));
  assert.deepEqual(out.values().toSorted(), ["a-0/1=between", "a-0/2=after", "a-1/0=between"]);
});

Deno.test("a start at the latest is meant for all partitions, also when one could not be asked at first", async () => {
  // a-0's beginning is recorded in an epoch; a-1's offsets cannot be listed, so the job starts anew.
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  broker.append("a", 0, { value: "old" });
  broker.append("a", 1, { value: "old" });
  const { out, job } = copying(texts(slowly(broker, "a", 1), { topics: "a", start: "latest" }));
  await Effect.runPromise(during(job, {}, (running) =>
    Effect.gen(function* () {
      yield* until(running, () => isRecorded(running) && Effect.runSync(running.metrics).restarts > 0);
      broker.append("a", 0, { value: "new" });
      broker.append("a", 1, { value: "new" });
      yield* until(running, () => out.values().filter((value) => value.endsWith("new")).length === 2);
    })));
  assert.deepEqual(out.values().toSorted(), ["a-0/1=new", "a-1/1=new"]);
});

/** A provider whose clients cannot list the offsets of one partition at first, and need a while to notice it. */
const slowly = (broker: Kafka.MemoryBroker, topic: string, partition: number): Kafka.KafkaClientProvider => {
  let isFirst = true;
  return {
    name: "slow",
    open: (settings) =>
      Effect.map(broker.open(settings), (client) => ({
        ...client,
        offsets: (of, partitions, spec, isolation) => {
          if (!(isFirst && of === topic && partitions.includes(partition))) {
            return client.offsets(of, partitions, spec, isolation);
          }
          isFirst = false;
          const error = new Kafka.KafkaError({
            message: "Cannot list offsets as a test does not let it",
            code: "LEADER_NOT_AVAILABLE",
            retryable: true,
          });
          return Effect.andThen(Effect.sleep("50 millis"), Effect.fail(error));
        },
      })),
  };
};

Deno.test("where the state says something, the start and the group have no say any more", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  for (let n = 0; n < 4; n++) broker.append("a", 0, { value: `${n}` });
  const kv = memoryKv();
  const first = copying(texts(broker, { topics: "a", start: { offsets: { "a-0": 1 } } }));
  await ending(Job.run(first.job, { kv, mode: "available-now" }));
  broker.append("a", 0, { value: "4" });
  // The same sink goes on: a job is made anew, as a process that starts again does.
  const job = Job.make({
    name: "copy",
    guarantee: "exactly-once",
    flows: [
      Flow.from(texts(broker, { topics: "a", start: "earliest" })).pipe(
        Flow.onError(first.dead),
        Flow.map(placed),
        Flow.to(first.out),
      ),
    ],
  });
  await ending(Job.run(job, { kv, mode: "available-now" }));
  assert.deepEqual(first.out.values(), ["a-0/1=1", "a-0/2=2", "a-0/3=3", "a-0/4=4"]);
});

Deno.test("what is available ends where a transaction is open, and so does the lag", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  broker.append("a", 0, { value: "0" });
  await Effect.runPromise(transact(broker, "open", "a", [{ partition: 0, key: null, value: "1" }], "open"));
  broker.append("a", 0, { value: "2" });
  const kv = memoryKv();
  const made = copying(texts(broker, { topics: "a" }));
  const { metrics } = await ending(Job.run(made.job, { kv, mode: "available-now" }));
  assert.deepEqual(made.out.values(), ["a-0/0=0"]);
  assert.equal(metrics.splits[0].lag, 0);
});

Deno.test("a time before 1970 is the beginning, and a time between milliseconds is the next one", async () => {
  // -1 and -2 are no times in Kafka's protocol, but the latest and the earliest.
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  const asked: Array<unknown> = [];
  const provider: Kafka.KafkaClientProvider = {
    name: "asked",
    open: (settings) =>
      Effect.map(broker.open(settings), (client) => ({
        ...client,
        offsets: (topic, partitions, spec, isolation) => {
          if (typeof spec === "object") asked.push(spec.timestamp);
          return client.offsets(topic, partitions, spec, isolation);
        },
      })),
  };
  for (const timestamp of [-1, -2, new Date("1969-12-31"), 1.5]) {
    await readAll(texts(provider, { topics: "a", bounded: true, start: { timestamp } }), "a-0", null, 10);
  }
  assert.deepEqual(asked, [0, 0, 0, 2]);
});

// ── what cannot be decoded ──────────────────────────────────────────────────────────────────────────────────────────

Deno.test("records that cannot be decoded become dead letters with offset and bytes, and nothing else is lost", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  const utf8 = (value: string) => new TextEncoder().encode(value);
  const bad: ReadonlyArray<
    readonly [record: Kafka.AppendedRecord, reason: RegExp, raw: Uint8Array]
  > = [
    [{ key: "1", value: "{oh" }, /^value at offset 1 is not JSON/, utf8("{oh")],
    [{ key: "1", value: Uint8Array.of(0xff, 0xfe) }, /^value at offset 3 is not UTF-8$/, Uint8Array.of(0xff, 0xfe)],
    [{ key: "1", value: null }, /^value at offset 5 is null, which only Kafka.nullable takes$/, new Uint8Array()],
    [{ key: "x", value: '{"n":1}' }, /^key at offset 7 does not match the schema/, utf8('{"n":1}')],
    [{ key: null, value: '{"n":1}' }, /^key at offset 9 is null/, utf8('{"n":1}')],
    [{ key: "1", value: '{"n":"1"}' }, /^value at offset 11 does not match the schema/, utf8('{"n":"1"}')],
    [
      { key: "1", value: '{"n":1}', headers: [["trace", "x"]] },
      /^headers at offset 13 does not match the schema/,
      utf8('{"n":1}'),
    ],
    [
      { key: "1", value: '{"n":1}', headers: [["trace", Uint8Array.of(0xff)]] },
      /^headers at offset 15 are not UTF-8: "trace"/,
      utf8('{"n":1}'),
    ],
    [{ key: "1", value: '{"n":1}', headers: [] }, /^headers at offset 17 does not match the schema/, utf8('{"n":1}')],
    [
      { key: "1", value: `${"[".repeat(2_000)}${"]".repeat(2_000)}` },
      /^value at offset 19 is nested more than 1000 levels deep/,
      utf8(`${"[".repeat(2_000)}${"]".repeat(2_000)}`),
    ],
    [{ key: "1", value: "y".repeat(40_000) }, /^value at offset 21 is not JSON/, utf8("y".repeat(40_000))],
  ];
  const good = (n: number): Kafka.AppendedRecord => ({
    key: `${n}`,
    value: `{"n":${n}}`,
    headers: [["trace", "5"], ["trace", `${n}`]], // of a name that repeats the last one counts
  });
  bad.forEach(([record], n) => {
    broker.append("a", 0, good(n));
    broker.append("a", 0, record);
    broker.append("a", 1, good(100 + n));
  });
  const source = Kafka.source("in", {
    cluster: clusterOf(broker),
    topics: "a",
    key: Kafka.string(Schema.FiniteFromString),
    value: Kafka.json(Schema.Struct({ n: Schema.Number })),
    headers: Schema.Struct({ trace: Schema.FiniteFromString }),
    bounded: true,
  });
  const out = Sink.memory<string>("out");
  const dead = Sink.memory<Flow.DeadLetter<unknown>>("dead");
  const job = Job.make({
    name: "copy",
    guarantee: "exactly-once",
    flows: [
      Flow.from(source).pipe(
        Flow.onError(dead),
        Flow.map(({ partition, key, value, headers }) => `${partition}: ${key} ${value.n} ${headers.trace}`),
        Flow.to(out),
      ),
    ],
  });
  await runToEnd(job, { kv: memoryKv(), epochRecordsMax: 4 });
  const all = bad.flatMap((_, n) => [`0: ${n} ${n} ${n}`, `1: ${100 + n} ${100 + n} ${100 + n}`]);
  assert.deepEqual(out.values().toSorted(), all.toSorted());
  assert.equal(dead.values().length, bad.length);
  dead.values().forEach((letter, n) => {
    const [{ key = null, value, headers = [] }, reason, raw] = bad[n];
    assert.match(letter.reason, reason);
    assert.deepEqual(
      { source: letter.source, split: letter.split, operator: letter.operator, rawForm: letter.rawForm },
      { source: "in", split: "a-0", operator: 'source "in"', rawForm: value === null ? "none" : "bytes" },
    );
    assert.equal(letter.rawLength, raw.length);
    assert.deepEqual([text(letter.key), letter.offset, letter.headerCount], [key, 2 * n + 1, headers.length]);
    // Key and value share one bound.
    assert.deepEqual(letter.raw, raw.slice(0, Source.rejectedBytesMax - letter.keyLength));
    // Where to read on behind it.
    assert.equal(String(letter.position).split("/")[0], String(2 * n + 2));
  });
});

Deno.test("keys and headers that nobody asked to decode come as they are, in their order", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  const headers = [["b", "1"], ["a", null], ["b", Uint8Array.of(0xff)]] as const;
  broker.append("a", 0, { key: Uint8Array.of(0xff), value: "x", timestamp: 7, headers });
  const source = Kafka.source("in", { cluster: clusterOf(broker), topics: "a", value: Kafka.bytes(), bounded: true });
  const batches = await Effect.runPromise(Stream.runCollect(source.read("a-0", null, 10)));
  const [record] = batches.flatMap(({ records }) => records).filter((one) => one instanceof Kafka.KafkaRecord);
  assert.deepEqual([record.timestamp, record.key?.[0], text(record.value)], [7, 0xff, "x"]);
  assert.deepEqual(record.headers.map(([name, value]) => [name, value === null ? null : [...value]]), [
    ["b", [0x31]],
    ["a", null],
    ["b", [0xff]],
  ]);
});

// ── topics that are not there ───────────────────────────────────────────────────────────────────────────────────────

Deno.test("a topic that does not exist ends the job, and is named", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  const error = await failureOf(Job.run(copying(texts(broker, { topics: ["a", "b"] })).job, { kv: memoryKv() }));
  assert.ok(error._tag === "SourceError" && !error.retryable && error.source === "in");
  assert.match(error.message, /topic "b" as it must exist at 127\.0\.0\.1:9092/);
});

for (const api of ["Metadata", "ListOffsets", "Fetch"] as const) {
  Deno.test(`a topic that the broker does not allow ends the job at its ${api}`, async () => {
    const broker = Kafka.memoryBroker({ topics: { a: 1 } });
    broker.onRequest((request) => request.api === api ? { error: "TOPIC_AUTHORIZATION_FAILED" } : "ok");
    const error = await failureOf(Job.run(copying(texts(broker, { topics: "a" })).job, { kv: memoryKv() }));
    assert.ok(error._tag === "SourceError" && !error.retryable && error.source === "in");
    assert.match(error.message, /TOPIC_AUTHORIZATION_FAILED/);
  });
}

// ── records that were deleted ───────────────────────────────────────────────────────────────────────────────────────

// a-0   0 1 2 3 4 5 6 7      read up to 3, and everything before 6 is deleted
const deleteUnread = async (lostRecords: "fail" | "dead-letter") => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  for (let n = 0; n < 3; n++) broker.append("a", 0, { value: `${n}` });
  const made = copying(texts(broker, { topics: "a", lostRecords }));
  const kv = memoryKv();
  await ending(Job.run(made.job, { kv, state: "test.kv", mode: "available-now" }));
  for (let n = 3; n < 8; n++) broker.append("a", 0, { value: `${n}` });
  broker.append("a", 1, { value: "other" });
  broker.deleteRecordsBefore("a", 0, 6);
  return { broker, kv, ...made };
};

Deno.test("records deleted before they were read end the job, which names topic, partition and offsets", async () => {
  const { job, kv } = await deleteUnread("fail");
  const error = await failureOf(Job.run(job, { kv, state: "test.kv", mode: "available-now" }));
  assert.ok(error._tag === "SourceError" && !error.retryable);
  assert.equal(error.split, "a-0");
  assert.match(
    error.message,
    /partition a-0 .*offset 3, where the first that is left is 6, so offsets 3 to 5 are lost/,
  );
});

Deno.test('with lostRecords: "dead-letter" reading goes on, and what was lost is told once over all crashes', async () => {
  for (let crash = 0; crash < 6; crash++) {
    const { job, kv, out, dead } = await deleteUnread("dead-letter");
    const before = kv.commits();
    kv.onCommit((index) => index === before + crash ? "crash-after" : "ok");
    await runToEnd(job, { kv, mode: "available-now" });
    assert.deepEqual(out.values().toSorted(), [
      "a-0/0=0",
      "a-0/1=1",
      "a-0/2=2",
      "a-0/6=6",
      "a-0/7=7",
      "a-1/0=other",
    ]);
    assert.deepEqual(dead.values().map(({ split, reason, position }) => [split, reason, position]), [
      ["a-0", "offsets 3 to 5 were deleted before they were read: at most 3 records", 6],
    ]);
  }
});

Deno.test('with lostRecords: "dead-letter" a bounded source whose rest was deleted ends', async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  for (let n = 0; n < 4; n++) broker.append("a", 0, { value: `${n}` });
  const { out, dead, job } = copying(texts(broker, { topics: "a", bounded: true, lostRecords: "dead-letter" }));
  const kv = memoryKv();
  kv.onCommit((index) => index === 2 ? "crash-after" : "ok");
  await Effect.runPromiseExit(quiet(Job.run(job, { kv, state: "test.kv", epochRecordsMax: 1, batchRecordsMax: 1 })));
  const read = out.values().length;
  for (let n = 4; n < 9; n++) broker.append("a", 0, { value: `${n}` });
  broker.deleteRecordsBefore("a", 0, 8);
  const { outcome } = await runToEnd(job, { kv, epochRecordsMax: 1, batchRecordsMax: 1 });
  assert.equal(outcome, "ended");
  assert.ok(read < 4 && out.values().every((value) => !value.includes("=8")), String(out.values()));
  assert.equal(dead.values().length, 1);
  assert.match(dead.values()[0].reason, /^offsets \d to 3 were deleted/);
});

/** The same cluster as brokers show it that know no ids of topics. */
const withoutIds = (broker: Kafka.MemoryBroker): Kafka.KafkaClientProvider => ({
  name: "without ids",
  open: (settings) =>
    Effect.map(broker.open(settings), (client) => ({
      ...client,
      topics: (names) =>
        Effect.map(
          client.topics(names),
          (found) => new Map([...found].map(([name, of]) => [name, { ...of, id: null }])),
        ),
      fetcher: Effect.map(client.fetcher, (fetcher) => ({
        ...fetcher,
        leaders: (names) =>
          Effect.map(
            fetcher.leaders(names),
            (found) => new Map([...found].map(([name, of]) => [name, { ...of, id: null }])),
          ),
      })),
    })),
});

for (const bounded of [false, true]) {
  for (const records of [1, 5]) {
    const what = `${records} records of the new topic, ${bounded ? "bounded" : "not bounded"}`;
    Deno.test(`a topic that was deleted and made anew between two runs is not taken for the old one: ${what}`, async () => {
      const broker = Kafka.memoryBroker({ topics: { a: 1 } });
      for (let n = 0; n < 3; n++) broker.append("a", 0, { value: `${n}` });
      const { out, job } = copying(texts(broker, { topics: "a", bounded, lostRecords: "dead-letter" }));
      const kv = memoryKv();
      const once = { kv, ...never, epochRecordsMax: 1, batchRecordsMax: 1 };
      // It dies in the middle, as a bounded one has nothing to go on with when it has come to its end.
      kv.onCommit(() => out.values().length > 0 ? "crash-before" : "ok");
      await Effect.runPromiseExit(
        quiet(Job.run(job, { ...once, state: "s", ...(bounded ? {} : { mode: "available-now" }) })),
      );
      kv.onCommit(() => "ok");
      broker.deleteTopic("a");
      broker.createTopic("a", 1);
      for (let n = 0; n < records; n++) broker.append("a", 0, { value: "new" });
      const error = await failureOf(Job.run(job, { ...once, state: "s" }));
      assert.ok(error._tag === "IncompatibleState", error.message);
      assert.match(
        error.message,
        /split "a-0" of source "in" must be the one that was read up to .*: current value is topic-2, where it was topic-1;/,
      );
      assert.ok(out.values().every((value) => !value.endsWith("new")), String(out.values()));
    });
  }
}

for (const isNoticed of ["by the broker's refusal", "when the topics are looked at"] as const) {
  Deno.test(`a topic that is made anew while it is read ends the job: it is noticed ${isNoticed}`, () =>
    withTestClock(Effect.gen(function* () {
      const broker = Kafka.memoryBroker({ topics: { a: 1 } });
      broker.append("a", 0, { value: "0" });
      const { out, job } = copying(texts(broker, { topics: "a", metadataInterval: "1 minute" }));
      yield* during(job, {}, (running) =>
        Effect.gen(function* () {
          let failure: Job.JobError | null = null;
          yield* Effect.forkScoped(Effect.catch(running.await, (error) => Effect.sync(() => void (failure = error))));
          yield* passUntil(() => out.values().length === 1, 1_000);
          let looked = false;
          broker.onRequest(({ api }) => {
            looked ||= api === "Metadata";
            return "ok";
          });
          broker.deleteTopic("a");
          if (isNoticed === "by the broker's refusal") yield* passUntil(() => looked, 1_000);
          broker.createTopic("a", 1);
          broker.append("a", 0, { value: "new" });
          yield* passUntil(() => failure !== null, 120_000, 100);
          assert.match(String(failure), /made anew/);
        }).pipe(Effect.scoped));
      assert.deepEqual(out.values(), ["a-0/0=0"]);
    })));
}

Deno.test("a topic that ends before the position, where the cluster knows no ids, ends the job", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  for (let n = 0; n < 3; n++) broker.append("a", 0, { value: `${n}` });
  for (const lostRecords of ["fail", "dead-letter"] as const) {
    const { job } = copying(texts(withoutIds(broker), { topics: "a", lostRecords }));
    const kv = memoryKv();
    await ending(Job.run(job, { kv, mode: "available-now" }));
    broker.deleteTopic("a");
    broker.createTopic("a", 1);
    broker.append("a", 0, { value: "new" });
    const error = await failureOf(Job.run(job, { kv, mode: "available-now" }));
    assert.ok(error._tag === "SourceError" && !error.retryable);
    assert.match(error.message, /current value is offset 3, where it ends at 1, so it was made anew or cut off/);
    for (let n = 0; n < 2; n++) broker.append("a", 0, { value: `${n}` });
  }
});

Deno.test("a topic that is deleted while it is read ends the job after the outage timeout", () =>
  withTestClock(Effect.gen(function* () {
    const broker = Kafka.memoryBroker({ topics: { a: 1 } });
    broker.append("a", 0, { value: "0" });
    const cluster = clusterOf(broker, { outageTimeout: "5 seconds" });
    const { out, job } = copying(texts(broker, { cluster, topics: "a" }));
    yield* during(job, {}, (running) =>
      Effect.gen(function* () {
        let failure: Job.JobError | null = null;
        yield* Effect.forkScoped(Effect.catch(running.await, (error) => Effect.sync(() => void (failure = error))));
        yield* passUntil(() => out.values().length === 1, 1_000);
        broker.deleteTopic("a");
        yield* passUntil(() => failure !== null, 10_000, 100);
        assert.match(String(failure), /topic "a" as it must exist/);
      }).pipe(Effect.scoped));
  })));

// ── more partitions ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A cluster where a topic of three partitions has, as it seems, only some of them at first. */
const growing = (broker: Kafka.MemoryBroker) => {
  const shown = { partitions: 1 };
  const provider: Kafka.KafkaClientProvider = {
    name: "growing",
    open: (settings) =>
      Effect.map(broker.open(settings), (client) => ({
        ...client,
        topics: (names) =>
          Effect.map(
            client.topics(names),
            (found) => new Map([...found].map(([name, { id }]) => [name, { id, ...shown }])),
          ),
      })),
  };
  return { shown, provider };
};

for (const start of ["earliest", "latest"] as const) {
  Deno.test(`partitions added while it runs are read from their beginning, once, whatever the start: ${start}`, () =>
    withTestClock(Effect.gen(function* () {
      const broker = Kafka.memoryBroker({ topics: { a: 3 } });
      const { shown, provider } = growing(broker);
      broker.append("a", 0, { value: "old" });
      const { out, job } = copying(texts(provider, { topics: "a", start, metadataInterval: "1 minute" }));
      yield* during(job, {}, (running) =>
        Effect.gen(function* () {
          yield* passUntil(() => isRecorded(running), 1_000);
          broker.append("a", 0, { value: "first" });
          yield* passUntil(() => out.values().some((value) => value.endsWith("first")), 1_000);
          shown.partitions = 3;
          broker.append("a", 1, { value: "one" });
          broker.append("a", 2, { value: "two" });
          yield* passUntil(() => out.values().some((value) => value.endsWith("two")), 70_000, 1_000);
          broker.append("a", 1, { value: "more" });
          yield* passUntil(() => out.values().some((value) => value.endsWith("more")), 2_000);
        }));
      const old = start === "earliest" ? ["a-0/0=old"] : [];
      assert.deepEqual(out.values().toSorted(), [...old, "a-0/1=first", "a-1/0=one", "a-1/1=more", "a-2/0=two"]);
    })));
}

Deno.test("a partition that is added while the job starts is read too", () =>
  withTestClock(Effect.gen(function* () {
    // The splits are listed with one partition; there are three when their number is looked at the next time.
    const broker = Kafka.memoryBroker({ topics: { a: 3 } });
    const { shown, provider } = growing(broker);
    const { out, job } = copying(texts(provider, { topics: "a", metadataInterval: "1 minute" }));
    broker.onRequest(({ api }) => {
      if (api === "ListOffsets") shown.partitions = 3;
      return "ok";
    });
    broker.append("a", 0, { value: "zero" });
    broker.append("a", 2, { value: "two" });
    yield* during(job, {}, () =>
      Effect.gen(function* () {
        yield* passUntil(() => out.values().length === 1, 1_000);
        yield* passUntil(() => out.values().length === 2, 130_000, 1_000);
      }));
  })));

// ── the group ───────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("the group's offsets follow the epochs, never ahead of the stored state, and end where the topic ends", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  const write = Effect.gen(function* () {
    for (let n = 0; n < 10; n++) {
      yield* transact(
        broker,
        "p",
        "a",
        [{ partition: n % 2, key: null, value: `${n}` }],
        n % 3 === 2 ? "abort" : "commit",
      );
    }
  });
  await Effect.runPromise(write);
  const { out, job } = copying(texts(broker, { topics: "a", group: "lag", partitionBytesMax: 1 }));
  const kv = memoryKv();
  // What the manifest knows is only seen through runs: each is killed after a commit, and the group is compared with what
  // the sink, which an epoch is published to behind its commit, has seen.
  for (let crash = 1; crash < 8; crash++) {
    const before = kv.commits();
    kv.onCommit((index) => index === before + crash ? "crash-before" : "ok");
    await Effect.runPromiseExit(
      quiet(Job.run(job, { kv, mode: "available-now", epochRecordsMax: 1, batchRecordsMax: 1, ...never })),
    );
    for (const { partition, offset } of broker.offsetsOf("lag")) {
      const read = out.values().filter((value) => value.startsWith(`a-${partition}/`));
      const last = Math.max(-1, ...read.map((value) => Number(value.split("/")[1].split("=")[0])));
      const next = broker.records("a").filter((one) => one.partition === partition && one.offset > last)[0];
      assert.ok(next === undefined || offset <= next.offset, `${offset} of partition ${partition}, ${read}`);
    }
  }
  kv.onCommit(() => "ok");
  await ending(Job.run(job, { kv, mode: "available-now" }));
  assert.deepEqual(
    out.values().toSorted(),
    broker.records("a").map(({ partition, offset, value }) => `a-${partition}/${offset}=${text(value)}`),
  );
  const ends = await Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(clusterOf(broker).open, ({ offsets }) => offsets("a", [0, 1], "latest", "read_uncommitted")),
    ),
  );
  assert.deepEqual(
    broker.offsetsOf("lag").map(({ partition, offset }) => [partition, offset]),
    [...ends].sort(([a], [b]) => a - b),
  );
});

Deno.test("the group's offset reaches the end that follows when a transaction ends behind the last record", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  const { job, out } = copying(texts(broker, { topics: "a", group: "lag" }));
  await Effect.runPromise(during(job, {}, (running) =>
    Effect.gen(function* () {
      broker.append("a", 0, { value: "x" });
      yield* until(running, () => out.values().length === 1);
      yield* transact(broker, "p", "a", [{ partition: 0, key: null, value: "gone" }], "abort");
      yield* until(running, () => broker.offsetsOf("lag")[0]?.offset === 3);
    })));
});

Deno.test("a group that cannot be committed to for a moment holds nothing up, and for long ends the run", () =>
  withTestClock(Effect.gen(function* () {
    const broker = Kafka.memoryBroker({ topics: { a: 1 } });
    let isDown = false;
    broker.onRequest(({ api }) => api === "OffsetCommit" && isDown ? { error: "NOT_COORDINATOR" } : "ok");
    const cluster = clusterOf(broker, { outageTimeout: "5 seconds" });
    const { job, out } = copying(texts(broker, { cluster, topics: "a", group: "lag" }));
    const restarts: Array<Job.Restart> = [];
    yield* during(job, { onRestart: (restart) => restarts.push(restart) }, () =>
      Effect.gen(function* () {
        isDown = true;
        broker.append("a", 0, { value: "x" });
        yield* passUntil(() => out.values().length === 1, 1_000);
        yield* TestClock.adjust(2_000);
        isDown = false;
        broker.append("a", 0, { value: "y" });
        yield* passUntil(() => out.values().length === 2 && broker.offsetsOf("lag")[0]?.offset === 2, 5_000);
        assert.deepEqual(restarts, []);
        isDown = true;
        broker.append("a", 0, { value: "z" });
        yield* passUntil(() => restarts.length === 1, 10_000, 100);
        isDown = false;
        yield* passUntil(() => broker.offsetsOf("lag")[0]?.offset === 3, 10_000, 100);
      }));
    assert.deepEqual(out.values(), ["a-0/0=x", "a-0/1=y", "a-0/2=z"]);
  })));

// ── backpressure ────────────────────────────────────────────────────────────────────────────────────────────────────

/** A sink whose first epoch is published only when it is let go. */
const stuckSink = () => {
  const state = { isStuck: true, rows: new Array<string>() };
  const sink = Sink.transactional("stuck", {
    encode: (value: string) => value,
    byteLength: (row) => row.length,
    open: (_context) =>
      Effect.succeed({
        marker: null,
        publish: ({ rows }) =>
          Effect.gen(function* () {
            while (state.isStuck) yield* Effect.sleep("5 millis");
            state.rows.push(...rows);
          }),
      }),
  });
  return { state, sink };
};

Deno.test("a stuck sink stops fetching: neither requests nor records in memory go on without a bound", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  for (let n = 0; n < 5_000; n++) broker.append("a", 0, { value: `${n}` });
  let fetches = 0;
  broker.onRequest(({ api }) => {
    if (api === "Fetch") fetches++;
    return "ok";
  });
  const { state, sink } = stuckSink();
  const job = Job.make({
    name: "stuck",
    guarantee: "exactly-once",
    flows: [
      Flow.from(texts(broker, { topics: "a", partitionBytesMax: 1_000 })).pipe(
        Flow.onError("fail"),
        Flow.map(placed),
        Flow.to(sink),
      ),
    ],
  });
  const options = { epochRecordsMax: 50, batchRecordsMax: 20 };
  await Effect.runPromise(during(job, options, (running) =>
    Effect.gen(function* () {
      yield* Effect.sleep("50 millis");
      const before = fetches;
      assert.ok(before < 50, `${before} fetches`);
      yield* Effect.sleep("200 millis");
      assert.equal(fetches, before);
      const { splits: [split] } = yield* running.metrics;
      assert.ok(split.records < 500, `${split.records} records`);
      state.isStuck = false;
      yield* until(running, () => state.rows.length === 5_000);
    })));
  assert.deepEqual(state.rows, Array.from({ length: 5_000 }, (_, n) => `a-0/${n}=${n}`));
});

Deno.test("where a stuck sink stops one partition, others that have nothing are not asked for all the time", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  for (let n = 0; n < 1_000; n++) broker.append("a", 0, { value: `${n}` });
  let fetches = 0;
  broker.onRequest(({ api }) => {
    if (api === "Fetch") fetches++;
    return "ok";
  });
  const { state, sink } = stuckSink();
  const job = Job.make({
    name: "stuck",
    guarantee: "exactly-once",
    flows: [
      Flow.from(texts(broker, { topics: "a", partitionBytesMax: 1_000 })).pipe(
        Flow.onError("fail"),
        Flow.map(placed),
        Flow.to(sink),
      ),
    ],
  });
  await Effect.runPromise(
    during(job, { epochRecordsMax: 50, batchRecordsMax: 20 }, (running) =>
      Effect.gen(function* () {
        yield* Effect.sleep("50 millis");
        const before = fetches;
        yield* Effect.sleep("300 millis");
        // At most one in 10 ms.
        assert.ok(fetches - before <= 31, `${fetches - before} requests in 300 ms`);
        state.isStuck = false;
        yield* until(running, () => state.rows.length === 1_000);
      })),
  );
});

/** Splits that are read side by side, whose event time is that of their records. */
const timed = (broker: Kafka.MemoryBroker, options: { readonly maxDrift?: number; readonly idleAfter?: number }) => {
  const out = Sink.memory<string>("out");
  const job = Job.make({
    name: "timed",
    guarantee: "exactly-once",
    flows: [
      Flow.from(texts(broker, { topics: "a", partitionBytesMax: 200 })).pipe(
        Flow.onError("fail"),
        Flow.eventTime({ timestamp: ({ timestamp }) => timestamp, watermark: Watermark.monotonic, ...options }),
        Flow.map(placed),
        Flow.to(out),
      ),
    ],
  });
  return { out, job };
};

// a-0   0 … 99, a second apart
// a-1   0, and then nothing until the test writes: a-0 is paused 10 s ahead of it
Deno.test("a partition too far ahead of others is paused, and does not hold them up", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  for (let n = 0; n < 100; n++) broker.append("a", 0, { value: `${n}`, timestamp: n * 1_000 });
  broker.append("a", 1, { value: "0", timestamp: 0 });
  const { out, job } = timed(broker, { maxDrift: 10_000 });
  await Effect.runPromise(during(job, { batchRecordsMax: 2 }, (running) =>
    Effect.gen(function* () {
      const ahead = () => out.values().filter((value) => value.startsWith("a-0")).length;
      yield* until(running, () => ahead() >= 10 && out.values().some((value) => value.startsWith("a-1")));
      yield* Effect.sleep("30 millis");
      assert.ok(ahead() <= 16, `${ahead()} records of a-0`);
      const { splits } = yield* running.metrics;
      assert.deepEqual(splits.map(({ paused }) => paused), [true, false]);
      // What comes of the other one is there soon, though a broker waits half a second where nothing comes.
      const began = performance.now();
      broker.append("a", 1, { value: "1", timestamp: 50_000 });
      yield* until(running, () => out.values().includes("a-1/1=1"));
      assert.ok(performance.now() - began < 400);
      yield* until(running, () => ahead() >= 50);
      yield* Effect.sleep("30 millis");
      assert.ok(ahead() <= 66, `${ahead()} records of a-0`);
      broker.append("a", 1, { value: "2", timestamp: 100_000 });
      yield* until(running, () => ahead() === 100);
    })));
});

Deno.test("each partition has a watermark of its own, and an idle one does not hold the others back", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  broker.append("a", 0, { value: "x", timestamp: 5_000 });
  broker.append("a", 0, { value: "y", timestamp: 7_000 });
  broker.append("a", 1, { value: "z", timestamp: 2_000 });
  const { job } = timed(broker, { idleAfter: 60 });
  await Effect.runPromise(during(job, {}, (running) =>
    Effect.gen(function* () {
      const seen: Array<number> = [];
      for (let isDone = false; !isDone;) {
        yield* Effect.sleep("2 millis");
        broker.append("a", 0, { value: "alive", timestamp: 7_000 });
        const { splits, watermarks } = yield* running.metrics;
        if (seen.at(-1) !== watermarks["eventTime#0"]) seen.push(watermarks["eventTime#0"]);
        isDone = splits.length === 2 && splits[1].idle && seen.at(-1)! >= 6_999;
        if (isDone) assert.deepEqual(splits.map(({ watermark }) => Math.round(watermark! / 1_000)), [7, 2]);
      }
      assert.deepEqual(seen.filter((watermark) => watermark > 0).map((watermark) => Math.round(watermark / 1_000)), [
        2,
        7,
      ]);
    })));
});

// ── outages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A job whose cluster a test can take away. */
const withOutage = (
  down: (request: Kafka.BrokerRequest) => Kafka.RequestFate,
  body: (outage: {
    readonly broker: Kafka.MemoryBroker;
    readonly out: Sink.MemorySink<string>;
    readonly restarts: ReadonlyArray<Job.Restart>;
    readonly set: (isDown: boolean) => void;
  }) => Effect.Effect<void>,
): Promise<void> =>
  withTestClock(Effect.gen(function* () {
    const broker = Kafka.memoryBroker({ topics: { a: 2 } });
    let isDown = false;
    broker.onRequest((request) => isDown ? down(request) : "ok");
    const cluster = clusterOf(broker, { outageTimeout: "10 seconds" });
    const { job, out } = copying(texts(broker, { cluster, topics: "a" }));
    const restarts: Array<Job.Restart> = [];
    yield* during(job, { onRestart: (restart) => restarts.push(restart) }, () =>
      Effect.gen(function* () {
        broker.append("a", 0, { value: "x" });
        yield* passUntil(() => out.values().length === 1, 1_000);
        yield* body({ broker, out, restarts, set: (value) => void (isDown = value) });
      }));
  }));

Deno.test("an outage is told of when it has lasted for a while, and its end", () =>
  withTestClock(Effect.gen(function* () {
    const broker = Kafka.memoryBroker({ topics: { a: 2 } });
    let isDown = false;
    broker.onRequest(() => isDown ? "lost" : "ok");
    const { job, out } = copying(texts(broker, { topics: "a" }));
    const said: Array<string> = [];
    const logger = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))]);
    yield* Effect.scoped(Effect.gen(function* () {
      yield* Job.start(job, { kv: memoryKv(), epochInterval: "5 millis" });
      broker.append("a", 0, { value: "x" });
      yield* passUntil(() => out.values().length === 1, 1_000);
      for (const seconds of [3, 20]) {
        isDown = true;
        let passed = 0;
        yield* passUntil(() => ++passed > seconds * 10, 100_000, 100);
        isDown = false;
        broker.append("a", 0, { value: "y" });
        yield* passUntil(() => broker.records("a").length === out.values().length, 10_000, 100);
      }
    })).pipe(Effect.provide(logger));
    assert.equal(said.length, 2, said.join("\n"));
    assert.match(said[0], /^Source "in": no success for \d s; it is tried again, for 60 s in all: Cannot /);
    assert.match(said[1], /^Source "in": goes on after 2\d s$/);
  })));

Deno.test("an outage of one broker of two is told of, too, while the other one is read", () =>
  withTestClock(Effect.gen(function* () {
    const broker = Kafka.memoryBroker({ topics: { a: 2 }, brokers: 2 });
    let isDown = false;
    const halfDown: Kafka.KafkaClientProvider = {
      name: "half down",
      open: (settings) =>
        Effect.map(broker.open(settings), (client) => ({
          ...client,
          fetcher: Effect.map(client.fetcher, (fetcher) => ({
            ...fetcher,
            fetch: (request) =>
              isDown && request.leader === 1
                ? Effect.fail(
                  new Kafka.KafkaError({ message: "Broker 1 is away", code: "NO_CONNECTION", retryable: true }),
                )
                : fetcher.fetch(request),
          })),
        })),
    };
    const { job, out } = copying(texts(halfDown, { topics: "a" }));
    const said: Array<string> = [];
    const logger = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))]);
    yield* Effect.scoped(Effect.gen(function* () {
      yield* Job.start(job, { kv: memoryKv(), epochInterval: "5 millis" });
      const written = () => broker.records("a").length;
      isDown = true;
      let passed = 0;
      yield* passUntil(
        () => {
          if (passed % 5 === 0) broker.append("a", 0, { value: "read" });
          return ++passed > 200;
        },
        100_000,
        100,
      );
      yield* passUntil(() => out.values().length === written(), 2_000, 100);
      assert.deepEqual(said, ['Source "in": no success for 5 s; it is tried again, for 60 s in all: Broker 1 is away']);
      isDown = false;
      broker.append("a", 1, { value: "read" });
      yield* passUntil(() => out.values().length === written(), 10_000, 100);
    })).pipe(Effect.provide(logger));
    assert.match(said.slice(1).join("; "), /^Source "in": goes on after 2\d s$/);
  })));

const outages: ReadonlyArray<readonly [name: string, down: (request: Kafka.BrokerRequest) => Kafka.RequestFate]> = [
  ["a broker that cannot be reached", () => "lost"],
  ["a partition without a leader", ({ api }) => api === "Fetch" ? { error: "LEADER_NOT_AVAILABLE" } : "ok"],
  ["a broker that leads no more", ({ api }) => api === "Fetch" ? { error: "NOT_LEADER_OR_FOLLOWER" } : "ok"],
];

for (const [name, down] of outages) {
  Deno.test(`${name} for less than the outage timeout: the job goes on without a restart`, () =>
    withOutage(down, ({ broker, out, restarts, set }) =>
      Effect.gen(function* () {
        set(true);
        broker.append("a", 0, { value: "y" });
        broker.append("a", 1, { value: "z" });
        yield* TestClock.adjust(8_000);
        yield* settle;
        set(false);
        yield* passUntil(() => out.values().length === 3, 4_000, 100);
        assert.deepEqual(out.values().toSorted(), ["a-0/0=x", "a-0/1=y", "a-1/0=z"]);
        assert.deepEqual(restarts, []);
        // Once each partition has been reached again, the time of the next outage is counted anew.
        let rest = 30;
        yield* passUntil(() => --rest < 0, 4_000, 100);
        set(true);
        broker.append("a", 0, { value: "w" });
        yield* TestClock.adjust(8_000);
        yield* settle;
        set(false);
        yield* passUntil(() => out.values().length === 4, 4_000, 100);
        assert.deepEqual(restarts, []);
      })));

  Deno.test(`${name} for longer: the job starts anew from its last epoch, and nothing is lost or repeated`, () =>
    withOutage(down, ({ broker, out, restarts, set }) =>
      Effect.gen(function* () {
        set(true);
        broker.append("a", 0, { value: "y" });
        broker.append("a", 1, { value: "z" });
        yield* passUntil(() => restarts.length > 0, 14_000, 100);
        const [{ error }] = restarts;
        assert.ok(error._tag === "SourceError" && error.retryable && error.source === "in");
        set(false);
        yield* passUntil(() => out.values().length === 3, 4_000, 100);
        assert.deepEqual(out.values().toSorted(), ["a-0/0=x", "a-0/1=y", "a-1/0=z"]);
      })));
}

Deno.test("an idle job notices nothing of a short outage, and one request a time is under way to each broker", () =>
  withOutage(() => "lost", ({ broker, out, restarts, set }) =>
    Effect.gen(function* () {
      let fetches = 0;
      broker.onRequest(({ api }) => {
        if (api === "Fetch") fetches++;
        return "ok";
      });
      yield* TestClock.adjust(10_000);
      // A broker waits half a second where nothing comes.
      assert.ok(fetches <= 21, `${fetches}`);
      set(true);
      yield* TestClock.adjust(1_000);
      set(false);
      broker.append("a", 0, { value: "y" });
      yield* passUntil(() => out.values().length === 2, 1_000, 100);
      assert.deepEqual(restarts, []);
    })));

Deno.test("a cluster that cannot be reached at the start is an error that may pass, of the run", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  broker.onRequest(() => "lost");
  const error = await failureOf(Job.run(copying(texts(broker, { topics: "a" })).job, { kv: memoryKv(), ...never }));
  assert.ok(error._tag === "SourceError" && error.retryable);
});

Deno.test("a client that could not be opened once is opened at the next start", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  broker.append("a", 0, { value: "x" });
  let opened = 0;
  const flaky: Kafka.KafkaClientProvider = {
    name: "flaky",
    open: (settings) =>
      // The first lists the splits, the second reads.
      ++opened === 2
        ? Effect.fail(new Kafka.KafkaError({ message: "Cannot open", code: "NO_CONNECTION", retryable: true }))
        : broker.open(settings),
  };
  const { out, job } = copying(texts(flaky, { topics: "a", bounded: true }));
  await runToEnd(job, { kv: memoryKv() });
  assert.deepEqual(out.values(), ["a-0/0=x"]);
});

for (const brokers of [2, 3]) {
  Deno.test(`${brokers} brokers that lead the partitions in turn are each asked for their own`, async () => {
    const broker = Kafka.memoryBroker({ topics: { a: 5, b: 1 }, brokers });
    const expected: Array<string> = [];
    const append = (topic: string, partition: number) => {
      const offset = broker.append(topic, partition, { value: "v" });
      expected.push(`${topic}-${partition}/${offset}=v`);
    };
    const { out, job } = copying(texts(broker, { topics: ["a", "b"], partitionBytesMax: 100 }));
    let seen = 0;
    broker.onRequest(({ api }) => api === "Fetch" && ++seen % 17 === 0 ? { error: "NOT_LEADER_OR_FOLLOWER" } : "ok");
    await Effect.runPromise(during(job, {}, (running) =>
      Effect.gen(function* () {
        for (let round = 0; round < 3; round++) {
          for (let n = 0; n < 10; n++) append(n % 6 === 5 ? "b" : "a", n % 6 === 5 ? 0 : n % 6);
          yield* until(running, () => out.values().length === expected.length);
        }
      })));
    assert.deepEqual(out.values().toSorted(), expected.toSorted());
  });
}

/** How many records came of which partition, before some of another one did. */
const turnsOf = (partitions: ReadonlyArray<number>): ReadonlyArray<readonly [partition: number, records: number]> => {
  const turns: Array<[number, number]> = [];
  for (const partition of partitions) {
    const last = turns.at(-1);
    if (last?.[0] === partition) last[1]++;
    else turns.push([partition, 1]);
  }
  return turns;
};

/** Reads two partitions of 1,500 records with the same times, and says how it came about. */
const turnsBy = async (
  flowOf: (
    source: ReturnType<typeof texts>,
    out: Sink.MemorySink<number>,
  ) => Flow.CompleteFlow<never, Sink.Transactional>,
): Promise<unknown> => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  for (let p = 0; p < 2; p++) for (let n = 0; n < 1_500; n++) broker.append("a", p, { value: "x", timestamp: n });
  const out = Sink.memory<number>("out");
  const flow = flowOf(texts(broker, { topics: "a", bounded: true }), out);
  await runToEnd(Job.make({ name: "order", guarantee: "exactly-once", flows: [flow] }), { kv: memoryKv() });
  return turnsOf(out.values());
};

const eventTime = { timestamp: ({ timestamp }: Record) => timestamp, watermark: Watermark.monotonic };
const inTurns = [[0, 1_024], [1, 1_024], [0, 476], [1, 476]];
const oneByOne = [[0, 1_500], [1, 1_500]];

Deno.test("without event time a bounded source is read partition by partition, each to its end", async () => {
  assert.deepEqual(
    await turnsBy((source, out) =>
      Flow.from(source).pipe(Flow.onError("fail"), Flow.map(({ partition }) => partition), Flow.to(out))
    ),
    oneByOne,
  );
});

Deno.test("with event time the partitions of a bounded source have turns of 1,024 records, by watermark", async () => {
  assert.deepEqual(
    await turnsBy((source, out) =>
      Flow.from(source).pipe(
        Flow.onError("fail"),
        Flow.eventTime(eventTime),
        Flow.mapEffect(({ partition }) => Effect.succeed(partition)),
        Flow.to(out),
      )
    ),
    inTurns,
  );
});

Deno.test("event time behind an Effect comes too late to say in which order a bounded source is read", async () => {
  assert.deepEqual(
    await turnsBy((source, out) =>
      Flow.from(source).pipe(
        Flow.onError("fail"),
        Flow.mapEffect((record) => Effect.succeed(record)),
        Flow.eventTime(eventTime),
        Flow.map(({ partition }) => partition),
        Flow.to(out),
      )
    ),
    oneByOne,
  );
});

Deno.test("in an answer that has no room for all, each partition has its turn", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 3 } });
  for (let p = 0; p < 3; p++) for (let n = 0; n < 50; n++) broker.append("a", p, { value: "x".repeat(50) });
  const { out, job } = copying(texts(broker, { topics: "a", fetchBytesMax: 500, partitionBytesMax: 500 }));
  await Effect.runPromise(during(job, { batchRecordsMax: 4 }, (running) =>
    Effect.gen(function* () {
      yield* until(running, () => out.values().length === 150);
    })));
  for (let p = 0; p < 3; p++) {
    // None is left to the end.
    assert.ok(out.values().findIndex((value) => value.startsWith(`a-${p}`)) < 75);
  }
});

// ── what is told ────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("the lag is what lies ahead of what was read, in offsets, and none at the end", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  for (let n = 0; n < 100; n++) broker.append("a", 0, { value: `${n}` });
  const { state, sink } = stuckSink();
  const job = Job.make({
    name: "lag",
    guarantee: "exactly-once",
    flows: [
      Flow.from(texts(broker, { topics: "a" })).pipe(Flow.onError("fail"), Flow.map(placed), Flow.to(sink)),
    ],
  });
  await Effect.runPromise(
    during(job, { epochRecordsMax: 10, batchRecordsMax: 10 }, (running) =>
      Effect.gen(function* () {
        let metrics = yield* running.metrics;
        while ((metrics.splits[0]?.records ?? 0) < 10) {
          yield* Effect.sleep("2 millis");
          metrics = yield* running.metrics;
        }
        const [first] = metrics.splits;
        assert.equal(first.lagUnit, "records");
        assert.equal(first.records + first.lag, 100);
        state.isStuck = false;
        yield* until(running, () => state.rows.length === 100);
        assert.deepEqual((yield* running.metrics).splits.map(({ lag }) => lag), [0, 0]);
      })),
  );
});

// partition 0  ═▶┄┄┄┄┄┄┄┄┄┤ 2,000      the flow waits at 200; it is read to its end before the next begins
// partition 1  ┄┄┄┄┄┄┄┄┄┄┄┤ 2,000
// partition 2  ┄┄┄┄┄┤ 1,000
// partition 3  ┤ nothing
Deno.test("partitions of a bounded source that have not been read yet lag by what lies between them and their ends", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 4 } });
  for (let p = 0; p < 4; p++) {
    for (let n = 0; n < [2_000, 2_000, 1_000, 0][p]; n++) broker.append("a", p, { value: `${n}` });
  }
  let isOpen = false;
  const opened = Effect.suspend(() =>
    isOpen ? Effect.void : Effect.repeat(Effect.sleep("2 millis"), { until: () => isOpen })
  );
  const flow = Flow.from(texts(broker, { topics: "a", bounded: true })).pipe(
    Flow.onError("fail"),
    Flow.mapEffect((record) => record.offset < 200 ? Effect.succeed(record) : Effect.as(opened, record), {
      concurrency: 1,
    }),
    Flow.map(placed),
    Flow.to(Sink.memory("out")),
  );
  const job = Job.make({ name: "lag", guarantee: "exactly-once", flows: [flow] });
  const options = { kv: memoryKv(), batchRecordsMax: 10, queueRecordsMax: 10, epochRecordsMax: 50 };
  const lagsOnceRead = (running: Job.RunningJob) =>
    Effect.map(
      Effect.repeat(Effect.delay(Effect.map(running.metrics, ({ splits }) => splits), "2 millis"), {
        until: ([first]) => (first?.records ?? 0) >= 200,
      }),
      ([first, ...others]) => {
        assert.equal(first.records + first.lag, 2_000);
        return others.map(({ records, position, lag, lagUnit }) => [records, position, lag, lagUnit]);
      },
    );
  const expected = [[0, "0/2000", 2_000, "records"], [0, "0/1000", 1_000, "records"], [0, "0/0", 0, "records"]];
  await Effect.runPromise(during(job, options, (running) =>
    Effect.gen(function* () {
      assert.deepEqual(yield* lagsOnceRead(running), expected);
    })));
  // What comes behind the ends is not waited for, and so it is no lag, neither then nor at a later start.
  for (let p = 0; p < 4; p++) broker.append("a", p, { value: "later" });
  await Effect.runPromise(during(job, options, (running) =>
    Effect.gen(function* () {
      assert.deepEqual(yield* lagsOnceRead(running), expected);
      isOpen = true;
      const { metrics } = yield* running.await;
      assert.deepEqual(metrics.splits.map(({ ended, lag }) => [ended, lag]), Array(4).fill([true, 0]));
    })));
});

Deno.test("a run of what is available catches up and ends, and leaves what comes then to the next", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  const { out, job } = copying(texts(broker, { topics: "a", group: "g" }));
  const kv = memoryKv();
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 5; n++) broker.append("a", 0, { value: `${round}.${n}` });
    await Effect.runPromise(transact(broker, "p", "a", [{ partition: 0, key: null, value: "no" }], "abort"));
    const { outcome, metrics } = await ending(
      Job.run(job, { kv, mode: "available-now", batchRecordsMax: 2 }),
    );
    assert.equal(outcome, "caught-up");
    assert.deepEqual(metrics.splits.map(({ position, lag }) => [position, lag]), [[7 * (round + 1), 0], [0, 0]]);
    assert.equal(out.values().length, 5 * (round + 1));
  }
  assert.deepEqual(new Set(out.values()).size, 15);
  // With nothing new it ends, too.
  const { outcome } = await ending(Job.run(job, { kv, mode: "available-now" }));
  assert.equal(outcome, "caught-up");
});

Deno.test("at its start a job waits for no partition that has nothing", () =>
  withTestClock(Effect.gen(function* () {
    const broker = Kafka.memoryBroker({ topics: { a: 8 }, brokers: 2 });
    broker.append("a", 7, { value: "x" });
    const { out, job } = copying(texts(broker, { topics: "a" }));
    let summary: Job.JobSummary | null = null;
    yield* during(job, { mode: "available-now" }, (running) =>
      Effect.gen(function* () {
        yield* Effect.forkScoped(Effect.map(running.await, (one) => summary = one));
        yield* passUntil(() => summary !== null, 100);
      }).pipe(Effect.scoped));
    assert.deepEqual(out.values(), ["a-7/0=x"]);
  })));

Deno.test("one source in two jobs at once gives each of them everything", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 2 } });
  const source = texts(broker, { topics: "a" });
  const jobs = [copying(source), copying(source)];
  await Effect.runPromise(during(jobs[0].job, {}, (one) =>
    during(jobs[1].job, {}, (two) =>
      Effect.gen(function* () {
        for (let n = 0; n < 20; n++) {
          broker.append("a", n % 2, { value: `${n}` });
          if (n % 5 === 0) yield* Effect.sleep("5 millis");
        }
        yield* until(one, () => jobs[0].out.values().length === 20);
        yield* until(two, () => jobs[1].out.values().length === 20);
      }))));
  assert.deepEqual(jobs[0].out.values().toSorted(), jobs[1].out.values().toSorted());
});

// ── options ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const wrong: ReadonlyArray<readonly [options: Partial<Texts>, message: RegExp]> = [
  [{ topics: [] }, /topics must name at least one topic/],
  [{ topics: ["a", "a"] }, /none twice: current value is \["a","a"\]/],
  [{ topics: "a b" }, /topics must name/],
  [{ start: "first" as never }, /start must be "earliest", "latest"/],
  [{ start: { timestamp: NaN } }, /start.timestamp must be a time/],
  [{ start: { timestamp: new Date("x") } }, /start.timestamp must be a time/],
  [{ start: { offsets: { "a-0": -1 } } }, /start.offsets must give whole numbers/],
  [{ start: { offsets: { a: 1 } } }, /start.offsets must give whole numbers/],
  [{ start: { group: "" } }, /start.group must be the name/],
  [{ isolation: "all" as never }, /isolation must be/],
  [{ group: "" }, /group must be the name/],
  [{ lostRecords: "skip" as never }, /lostRecords must be/],
  [{ fetchBytesMax: 0 }, /fetchBytesMax must be a whole number from 1/],
  [{ partitionBytesMax: 2 ** 31 }, /partitionBytesMax must be a whole number/],
  [{ metadataInterval: 0 }, /metadataInterval must be/],
];

for (const [options, message] of wrong) {
  Deno.test(`refused: ${Deno.inspect(options)}`, () => {
    const broker = Kafka.memoryBroker();
    assert.throws(
      () => texts(broker, { topics: "a", ...options }),
      (error) =>
        error instanceof RangeError && /^Cannot make source "in" as /.test(error.message) &&
        message.test(error.message),
    );
  });
}
