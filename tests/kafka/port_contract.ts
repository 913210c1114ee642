/**
 * What every client of Kafka must do, the broker in memory included: the client port (`src/kafka/client.ts`) as tests.
 *
 * @module
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { Effect, type Scope } from "effect";
import type {
  ClientSettings,
  Compression,
  FetchedPartition,
  Header,
  Isolation,
  KafkaClient,
  KafkaClientProvider,
  KafkaFetcher,
  LogBatch,
  LogRecord,
  OutgoingRecord,
} from "../../src/kafka/client.ts";
import { clientCodes, type KafkaError } from "../../src/kafka/errors.ts";
import { visibleRecords } from "../../src/kafka/visible.ts";

/** How long something that a cluster does in its own time may take before a test gives up, in milliseconds. */
const patienceMillis = 20_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
export const bytes = (text: string): Uint8Array => encoder.encode(text);
export const text = (value: Uint8Array | null): string | null => value === null ? null : decoder.decode(value);

/** Settings for a broker that asks nobody who he is. */
export const settingsFor = (brokers: ReadonlyArray<string>, other: Partial<ClientSettings> = {}): ClientSettings => ({
  brokers,
  clientId: "weir-contract",
  sasl: null,
  tls: null,
  connectMillisMax: 5_000,
  requestMillisMax: 10_000,
  responseBytesMax: 64 * 1_024 * 1_024,
  batchBytesMax: 64 * 1_024 * 1_024,
  ...other,
});

/** A record with what is not said left at its plainest. */
export const record = (topic: string, value: string | Uint8Array | null, other: Partial<OutgoingRecord> = {}) => ({
  topic,
  partition: 0,
  timestamp: 1_700_000_000_000,
  key: null,
  value: typeof value === "string" ? bytes(value) : value,
  headers: [],
  ...other,
} satisfies OutgoingRecord);

/** Tries something until it is as wanted, for it may take the cluster a while. */
export const eventually = <A, R>(
  what: Effect.Effect<A, KafkaError, R>,
  isWanted: (value: A) => boolean,
): Effect.Effect<A, KafkaError, R> =>
  Effect.gen(function* () {
    const until = performance.now() + patienceMillis;
    for (;;) {
      const result = yield* Effect.result(what);
      if (result._tag === "Success" && isWanted(result.success)) return result.success;
      if (performance.now() > until) {
        if (result._tag === "Failure") return yield* result.failure;
        assert.fail(`still not as wanted: ${inspect(result.success, { depth: 6 })}`);
      }
      yield* Effect.sleep(50);
    }
  });

/** The error of what must fail. */
export const failureOf = <A, R>(what: Effect.Effect<A, KafkaError, R>): Effect.Effect<KafkaError, never, R> =>
  Effect.gen(function* () {
    const result = yield* Effect.result(what);
    if (result._tag === "Success") assert.fail(`it should have failed: ${inspect(result.success)}`);
    assert.equal(result.failure._tag, "KafkaError");
    return result.failure;
  });

/** What is read of one partition. */
interface Reading {
  readonly topic: string;
  readonly partition?: number;
  readonly from?: number;
  readonly isolation?: Isolation;
  readonly waitMillisMax?: number;
  readonly bytesMax?: number;
  readonly partitionBytesMax?: number;
}

/** One answer of the leader of a partition. */
export const fetchOnce = (fetcher: KafkaFetcher, reading: Reading): Effect.Effect<FetchedPartition, KafkaError> =>
  Effect.gen(function* () {
    const { topic, partition = 0, from = 0 } = reading;
    const leaders = yield* eventually(
      fetcher.leaders([topic]),
      (found) => found.get(topic)?.leaders.get(partition) !== undefined,
    );
    const [fetched, ...more] = yield* fetcher.fetch({
      leader: leaders.get(topic)!.leaders.get(partition)!,
      partitions: [{ topic, partition, offset: from }],
      isolation: reading.isolation ?? "read_committed",
      waitMillisMax: reading.waitMillisMax ?? 200,
      bytesMax: reading.bytesMax ?? 16 * 1_024 * 1_024,
      partitionBytesMax: reading.partitionBytesMax ?? 4 * 1_024 * 1_024,
    });
    assert.deepEqual(more, []);
    assert.equal(fetched.topic, topic);
    assert.equal(fetched.partition, partition);
    return fetched;
  });

/** All that there is of a partition up to an offset: what lies there, and what a reader is shown. */
export const readTo = (fetcher: KafkaFetcher, end: number, reading: Reading) =>
  Effect.gen(function* () {
    const batches: Array<LogBatch> = [];
    const records: Array<LogRecord> = [];
    let offset = reading.from ?? 0;
    const until = performance.now() + patienceMillis;
    while (offset < end) {
      assert.ok(performance.now() < until, `only ${offset} of ${end} could be read of ${reading.topic}`);
      const fetched = yield* fetchOnce(fetcher, { ...reading, from: offset });
      assert.equal(fetched.error, null);
      const visible = visibleRecords(fetched, offset);
      batches.push(...fetched.batches);
      records.push(...visible.records);
      offset = visible.nextOffset;
    }
    return { batches, records, nextOffset: offset };
  });

export const valuesOf = (records: ReadonlyArray<LogRecord>): ReadonlyArray<string | null> =>
  records.map(({ value }) => text(value));

let topics = 0;

/** A topic of its own, which every broker knows already. */
export const newTopic = (client: KafkaClient, partitions = 1): Effect.Effect<string, KafkaError> =>
  Effect.gen(function* () {
    const name = `contract-${++topics}`;
    yield* client.createTopic(name, partitions);
    yield* eventually(client.topics([name]), (found) => found.get(name)?.partitions === partitions);
    yield* eventually(
      client.offsets(name, Array.from({ length: partitions }, (_, k) => k), "latest", "read_uncommitted"),
      (offsets) => offsets.size === partitions,
    );
    return name;
  });

/** Writes records, in batches of their own where they are given in lists of their own. */
export const write = (
  client: KafkaClient,
  batches: ReadonlyArray<ReadonlyArray<OutgoingRecord>>,
  compression: Compression = "none",
) =>
  Effect.scoped(Effect.gen(function* () {
    const producer = yield* client.idempotentProducer({ compression });
    for (const batch of batches) yield* producer.send(batch);
  }));

export const latest = (client: KafkaClient, topic: string, isolation: Isolation = "read_committed") =>
  Effect.map(client.offsets(topic, [0], "latest", isolation), (offsets) => offsets.get(0)!);

export const transactional = (client: KafkaClient, transactionalId: string, timeoutMillis = 30_000) =>
  client.transactionalProducer({ transactionalId, timeoutMillis, compression: "none" });

/** The codes of those that were shut out by another of their id. */
const fencedCodes = ["INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"];

/** Codes of murmur2 that the Java client gives, from its own tests. */
const murmur2Vectors: ReadonlyArray<readonly [key: string, hash: number]> = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
];

/**
 * Registers what the port promises as tests.
 *
 * @param provider The adapter
 * @param brokers Where the brokers are, once tests run
 * @param ignore Whether there are none
 */
export const portContract = (
  provider: KafkaClientProvider,
  brokers: () => ReadonlyArray<string>,
  ignore: boolean,
): void => {
  const settings = (other: Partial<ClientSettings> = {}): ClientSettings => settingsFor(brokers(), other);

  const test = (
    name: string,
    body: (client: KafkaClient) => Effect.Effect<void, KafkaError, Scope.Scope>,
  ): void =>
    Deno.test(
      `${provider.name}: ${name}`,
      { ignore },
      () => Effect.runPromise(Effect.scoped(Effect.suspend(() => Effect.flatMap(provider.open(settings()), body)))),
    );

  // Topics

  test("topics are described by the number of their partitions, and one that is missing is left out", (client) =>
    Effect.gen(function* () {
      const one = yield* newTopic(client, 1);
      const three = yield* newTopic(client, 3);
      const found = yield* client.topics([one, "there-is-no-such-topic", three]);
      const numbers = [...found].map(([name, { partitions }]) => [name, partitions] as const);
      assert.deepEqual(new Map(numbers), new Map([[one, 1], [three, 3]]));
      assert.deepEqual(new Map(yield* client.topics([])), new Map());
    }));

  test("much can be asked at once, also at first", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client, 2);
      const fresh = yield* provider.open(settings());
      const answers = yield* Effect.all(
        Array.from({ length: 20 }, (_, k) =>
          Effect.all([
            fresh.topics([topic]),
            fresh.offsets(topic, [0, 1], "latest", "read_committed"),
            fresh.committed(`${topic}-${k % 3}`, topic, [0]),
          ], { concurrency: "unbounded" })),
        { concurrency: "unbounded" },
      );
      for (const [found, offsets, committed] of answers) {
        assert.equal(found.get(topic)?.partitions, 2);
        assert.deepEqual([...offsets].sort(), [[0, 0], [1, 0]]);
        assert.equal(committed.size, 0);
      }
    }));

  test("many requests at once have each its own answer", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const asked = (k: number): Effect.Effect<unknown, KafkaError> => {
        if (k % 3 === 0) return Effect.map(client.topics([topic, `none-${k}`]), (found) => [...found.keys()].join());
        if (k % 3 === 1) return latest(client, topic);
        return Effect.map(client.committed(`${topic}-${k}`, topic, [0]), ({ size }) => size);
      };
      const answers = yield* Effect.all(Array.from({ length: 60 }, (_, k) => asked(k)), { concurrency: "unbounded" });
      assert.deepEqual(answers, answers.map((_, k) => k % 3 === 0 ? topic : 0));
    }));

  test("asking for a topic does not make it", (client) =>
    Effect.gen(function* () {
      const fetcher = yield* client.fetcher;
      for (let k = 0; k < 3; k++) {
        assert.equal((yield* client.topics(["not-made-by-asking"])).size, 0);
        assert.equal((yield* fetcher.leaders(["not-made-by-asking"])).get("not-made-by-asking")?.leaders.size ?? 0, 0);
      }
    }));

  test("a topic that is there already is not made anew", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client, 2);
      yield* write(client, [[record(topic, "kept")]]);
      yield* client.createTopic(topic, 2);
      yield* client.createTopic(topic, 5);
      assert.equal((yield* client.topics([topic])).get(topic)?.partitions, 2);
      assert.equal(yield* latest(client, topic), 1);
    }));

  test("a name that no topic can have is refused", (client) =>
    Effect.gen(function* () {
      const error = yield* failureOf(client.createTopic("no spaces", 1));
      assert.equal(error.code, "INVALID_TOPIC_EXCEPTION");
      assert.equal(error.retryable, false);
    }));

  test("how large a batch may be is what the topic says", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      assert.equal(yield* client.batchBytesMax(topic), 1_048_588);
    }));

  // Offsets

  test("offsets are the first, the one behind the last, and those of times", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client, 2);
      const at = (timestamp: number) => record(topic, `${timestamp}`, { timestamp });
      yield* write(client, [[at(1_000), at(2_000)], [at(3_000)]]);
      const offsets = (spec: Parameters<KafkaClient["offsets"]>[2], partitions = [0, 1]) =>
        Effect.map(client.offsets(topic, partitions, spec, "read_committed"), (found) => [...found].sort());
      assert.deepEqual(yield* offsets("earliest"), [[0, 0], [1, 0]]);
      assert.deepEqual(yield* offsets("latest"), [[0, 3], [1, 0]]);
      assert.deepEqual(yield* offsets({ timestamp: 0 }), [[0, 0], [1, 0]]);
      assert.deepEqual(yield* offsets({ timestamp: 1_001 }), [[0, 1], [1, 0]]);
      assert.deepEqual(yield* offsets({ timestamp: 3_000 }), [[0, 2], [1, 0]]);
      assert.deepEqual(yield* offsets({ timestamp: 3_001 }), [[0, 3], [1, 0]]);
      assert.deepEqual(yield* offsets("latest", [1]), [[1, 0]]);
      assert.deepEqual(yield* offsets("latest", []), []);
    }));

  test("an open transaction holds back the latest offset of those who read what is committed", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      yield* write(client, [[record(topic, "before")]]);
      const producer = yield* transactional(client, `${topic}-holds-back`);
      const transaction = yield* producer.begin;
      yield* transaction.send([record(topic, "open")]);
      assert.equal(yield* latest(client, topic, "read_committed"), 1);
      assert.equal(yield* latest(client, topic, "read_uncommitted"), 2);
      yield* transaction.commit;
      // The record and its commit marker.
      yield* eventually(latest(client, topic), (offset) => offset === 3);
    }));

  test("offsets of a topic that is missing are an error", (client) =>
    Effect.gen(function* () {
      const error = yield* failureOf(client.offsets("there-is-no-such-topic", [0], "latest", "read_committed"));
      assert.equal(error.code, "UNKNOWN_TOPIC_OR_PARTITION");
      assert.equal(error.retryable, false);
    }));

  // Fetching

  test("a record is read as it was written", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const headers: ReadonlyArray<Header> = [
        ["a", bytes("1")],
        ["b", bytes("2")],
        ["a", bytes("3")],
        ["10", bytes("digits")],
        ["9", null],
        ["empty", new Uint8Array(0)],
        ["__proto__", bytes("a name like any other")],
        ["", bytes("no name")],
        ["ä€😀", bytes("not ASCII")],
      ];
      const sent = [
        record(topic, "plain", { key: bytes("key"), timestamp: 1_234_567_890_123 }),
        record(topic, null, { key: bytes("tombstone"), timestamp: 5 }),
        record(topic, new Uint8Array(0), { key: new Uint8Array(0), timestamp: 1_500_000_000_001 }),
        record(topic, new Uint8Array([0, 255, 128, 1, 254]), { key: new Uint8Array(4), timestamp: 0 }),
        record(topic, "headers", { headers }),
      ];
      yield* write(client, [sent]);
      const fetcher = yield* client.fetcher;
      const { batches, nextOffset } = yield* readTo(fetcher, 5, { topic });
      const got = batches.flatMap((batch) => batch.records);
      assert.equal(nextOffset, 5);
      assert.deepEqual(got.map(({ offset }) => offset), [0, 1, 2, 3, 4]);
      const plainly = (all: ReadonlyArray<LogRecord | OutgoingRecord>) =>
        all.map(({ timestamp, key, value, headers }) => ({
          timestamp,
          key: key && [...key],
          value: value && [...value],
          headers: headers.map(([name, header]) => [name, header && [...header]]),
        }));
      assert.deepEqual(plainly(got), plainly(sent));
      for (const { key, value } of got) {
        assert.ok(key === null || key instanceof Uint8Array);
        assert.ok(value === null || value instanceof Uint8Array);
      }
    }));

  test("what was read stays as it is while more is read", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const values = Array.from({ length: 50 }, (_, k) => `${k}`.repeat(1 + (k % 7) * 500));
      yield* write(client, values.map((value) => [record(topic, value)]));
      const fetcher = yield* client.fetcher;
      const { records } = yield* readTo(fetcher, 50, { topic, partitionBytesMax: 4_000 });
      assert.deepEqual(valuesOf(records), values);
    }));

  test("one answer has several topics and partitions", (client) =>
    Effect.gen(function* () {
      const [a, b] = [yield* newTopic(client, 2), yield* newTopic(client, 1)];
      yield* write(client, [[record(a, "a0"), record(b, "b0"), record(a, "a1", { partition: 1 }), record(a, "a00")]]);
      const fetcher = yield* client.fetcher;
      const leaders = yield* fetcher.leaders([a, b]);
      assert.deepEqual([...leaders.get(a)!.leaders.keys()].sort(), [0, 1]);
      const answers = yield* fetcher.fetch({
        leader: leaders.get(a)!.leaders.get(0)!,
        partitions: [
          { topic: a, partition: 0, offset: 1 },
          { topic: b, partition: 0, offset: 0 },
          { topic: a, partition: 1, offset: 0 },
          { topic: b, partition: 7, offset: 0 },
        ],
        isolation: "read_committed",
        waitMillisMax: 200,
        bytesMax: 1_000_000,
        partitionBytesMax: 1_000_000,
      });
      const found = answers.map((answer) => ({
        at: `${answer.topic}-${answer.partition}`,
        error: answer.error,
        values: valuesOf(visibleRecords(answer, answer.topic === a && answer.partition === 0 ? 1 : 0).records),
      }));
      assert.deepEqual(
        new Map(found.map(({ at, ...rest }) => [at, rest])),
        new Map(Object.entries({
          [`${a}-0`]: { error: null, values: ["a00"] },
          [`${a}-1`]: { error: null, values: ["a1"] },
          [`${b}-0`]: { error: null, values: ["b0"] },
          [`${b}-7`]: { error: "UNKNOWN_TOPIC_OR_PARTITION", values: [] },
        })),
      );
    }));

  test("an offset behind the end is an error of its partition", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const fetcher = yield* client.fetcher;
      const fetched = yield* fetchOnce(fetcher, { topic, from: 17 });
      assert.equal(fetched.error, "OFFSET_OUT_OF_RANGE");
      assert.deepEqual(fetched.batches, []);
      // And the fetcher goes on.
      assert.equal((yield* fetchOnce(fetcher, { topic })).error, null);
    }));

  test("a broker waits for records as long as it is told, and no longer once there are some", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const fetcher = yield* client.fetcher;
      yield* fetchOnce(fetcher, { topic, waitMillisMax: 0 });
      const began = performance.now();
      const none = yield* fetchOnce(fetcher, { topic, waitMillisMax: 700 });
      const waited = performance.now() - began;
      assert.deepEqual(none.batches, []);
      assert.ok(waited >= 600 && waited < 3_000, `it waited ${waited} ms`);
      const later = performance.now();
      const [some] = yield* Effect.all([
        fetchOnce(fetcher, { topic, waitMillisMax: 8_000 }),
        Effect.andThen(Effect.sleep(100), write(client, [[record(topic, "here")]])),
      ], { concurrency: 2 });
      assert.deepEqual(valuesOf(visibleRecords(some, 0).records), ["here"]);
      assert.ok(performance.now() - later < 5_000);
    }));

  test("others are served while a fetcher waits", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const [waiting, busy] = [yield* client.fetcher, yield* client.fetcher];
      yield* fetchOnce(waiting, { topic, waitMillisMax: 0 });
      yield* fetchOnce(busy, { topic, waitMillisMax: 0 });
      const began = performance.now();
      yield* Effect.all([
        fetchOnce(waiting, { topic, waitMillisMax: 3_000 }),
        Effect.gen(function* () {
          yield* Effect.sleep(50);
          yield* fetchOnce(busy, { topic, waitMillisMax: 0 });
          yield* waiting.leaders([topic]);
          yield* latest(client, topic);
          assert.ok(performance.now() - began < 2_000);
        }),
      ], { concurrency: 2 });
    }));

  test("a record that is larger than what was asked for comes nevertheless", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const large = new Uint8Array(1_000_000).map((_, k) => k * 7);
      yield* write(client, [[record(topic, "first")], [record(topic, large)], [record(topic, "last")]]);
      const fetcher = yield* client.fetcher;
      const { records } = yield* readTo(fetcher, 3, { topic, bytesMax: 500, partitionBytesMax: 200 });
      assert.deepEqual(records.map(({ value }) => value!.length), [5, 1_000_000, 4]);
      assert.deepEqual(Uint8Array.from(records[1].value!), large);
    }));

  test("many records of one batch are read", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const count = 60_000;
      const batch = Array.from({ length: count }, (_, k) => record(topic, `${k}`));
      yield* write(client, [batch], "gzip");
      const fetcher = yield* client.fetcher;
      const { records } = yield* readTo(fetcher, count, { topic });
      assert.equal(records.length, count);
      assert.ok(records.every(({ offset, value }, k) => offset === k && text(value) === `${k}`));
    }));

  test("reading in the middle of a batch begins with the batch", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      yield* write(client, [["a", "b", "c"].map((value) => record(topic, value))]);
      const fetcher = yield* client.fetcher;
      const fetched = yield* fetchOnce(fetcher, { topic, from: 1 });
      assert.deepEqual(valuesOf(visibleRecords(fetched, 1).records), ["b", "c"]);
      assert.equal(fetched.batches.at(-1)!.nextOffset, 3);
    }));

  test("the marker of a commit is a batch that is read over", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const producer = yield* transactional(client, `${topic}-markers`);
      for (const value of ["one", "two"]) {
        const transaction = yield* producer.begin;
        yield* transaction.send([record(topic, value)]);
        yield* transaction.commit;
      }
      yield* eventually(latest(client, topic), (offset) => offset === 4);
      const fetcher = yield* client.fetcher;
      const { batches, records, nextOffset } = yield* readTo(fetcher, 4, { topic });
      assert.deepEqual(valuesOf(records), ["one", "two"]);
      assert.equal(nextOffset, 4);
      assert.deepEqual(batches.map(({ control }) => control), [null, "commit", null, "commit"]);
      assert.deepEqual(batches.map(({ isTransactional }) => isTransactional), [true, true, true, true]);
      assert.equal(new Set(batches.map(({ producerId }) => producerId)).size, 1);
      // Whoever reads on at the marker gets it, and with it where to go on.
      const marker = yield* fetchOnce(fetcher, { topic, from: 3 });
      assert.equal(marker.batches.at(-1)!.nextOffset, 4);
    }));

  test("aborted transactions are listed, also where keys are four zero bytes", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const zeros = { key: new Uint8Array(4) };
      const producer = yield* transactional(client, `${topic}-aborts`);
      const first = yield* producer.begin;
      yield* first.send([record(topic, "taken back", zeros), record(topic, "taken back too", zeros)]);
      yield* first.abort;
      const second = yield* producer.begin;
      yield* second.send([record(topic, "stays", zeros)]);
      yield* second.commit;
      yield* eventually(latest(client, topic), (offset) => offset === 5);
      yield* write(client, [[record(topic, "of another", zeros)]]);
      const fetcher = yield* client.fetcher;
      const { batches, records } = yield* readTo(fetcher, 6, { topic });
      assert.deepEqual(valuesOf(records), ["stays", "of another"]);
      assert.deepEqual(batches.map(({ control }) => control), [null, "abort", null, "commit", null]);
      const fetched = yield* fetchOnce(fetcher, { topic });
      const [{ producerId }] = fetched.batches;
      assert.deepEqual(fetched.aborted.map((one) => ({ ...one })), [{ producerId, firstOffset: 0 }]);
      const uncommitted = yield* readTo(fetcher, 6, { topic, isolation: "read_uncommitted" });
      assert.deepEqual(valuesOf(uncommitted.records), ["taken back", "taken back too", "stays", "of another"]);
    }));

  test("an open transaction is not shown to those who read what is committed", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      yield* write(client, [[record(topic, "before")]]);
      const producer = yield* transactional(client, `${topic}-open`);
      const transaction = yield* producer.begin;
      yield* transaction.send([record(topic, "open")]);
      const fetcher = yield* client.fetcher;
      const committed = yield* fetchOnce(fetcher, { topic });
      assert.deepEqual(valuesOf(visibleRecords(committed, 0).records), ["before"]);
      assert.equal(committed.lastStableOffset, 1);
      assert.equal(committed.highWatermark, 2);
      assert.equal(committed.logStartOffset, 0);
      const all = yield* fetchOnce(fetcher, { topic, isolation: "read_uncommitted" });
      assert.deepEqual(valuesOf(visibleRecords(all, 0).records), ["before", "open"]);
      yield* transaction.abort;
    }));

  test("an answer that is larger than was allowed is not taken", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      yield* write(client, [[record(topic, new Uint8Array(200_000))]]);
      const wary = yield* provider.open(settings({ responseBytesMax: 100_000 }));
      const fetcher = yield* wary.fetcher;
      const error = yield* failureOf(fetchOnce(fetcher, { topic }));
      assert.equal(error.code, clientCodes.tooLarge);
      assert.equal(error.retryable, false);
      // Small answers are.
      assert.equal((yield* wary.topics([topic])).size, 1);
      assert.deepEqual((yield* fetchOnce(fetcher, { topic, from: 1 })).batches, []);
    }));

  // Groups

  test("a group has what was committed last, and nothing of other partitions", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client, 3);
      const group = `${topic}-group`;
      assert.deepEqual(new Map(yield* client.committed(group, topic, [0, 1, 2])), new Map());
      yield* client.commit(group, [{ topic, partition: 0, offset: 3 }, { topic, partition: 2, offset: 0 }]);
      yield* client.commit(group, [{ topic, partition: 0, offset: 2 ** 40 }]);
      assert.deepEqual(
        [...yield* client.committed(group, topic, [0, 1, 2])].sort(),
        [[0, 2 ** 40], [2, 0]],
      );
      assert.deepEqual([...yield* client.committed(group, topic, [2])], [[2, 0]]);
      assert.deepEqual([...yield* client.committed(`${group}-other`, topic, [0])], []);
    }));

  // Transactions

  test("a transaction of several topics is visible when it is committed", (client) =>
    Effect.gen(function* () {
      const [a, b] = [yield* newTopic(client, 2), yield* newTopic(client)];
      const producer = yield* transactional(client, `${a}-commits`);
      const transaction = yield* producer.begin;
      yield* transaction.send([record(a, "a0"), record(a, "a1", { partition: 1 })]);
      yield* transaction.send([record(a, "a00"), record(b, "b0")]);
      assert.equal(yield* latest(client, b), 0);
      yield* transaction.commit;
      yield* eventually(latest(client, b), (offset) => offset === 2);
      yield* eventually(latest(client, a), (offset) => offset === 3);
      const fetcher = yield* client.fetcher;
      assert.deepEqual(valuesOf((yield* readTo(fetcher, 3, { topic: a })).records), ["a0", "a00"]);
      assert.deepEqual(valuesOf((yield* readTo(fetcher, 2, { topic: a, partition: 1 })).records), ["a1"]);
      assert.deepEqual(valuesOf((yield* readTo(fetcher, 2, { topic: b })).records), ["b0"]);
    }));

  test("transactions follow each other at once", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const producer = yield* transactional(client, `${topic}-follows`);
      for (let k = 0; k < 20; k++) {
        const transaction = yield* producer.begin;
        yield* transaction.send([record(topic, `${k}`)]);
        yield* k % 3 === 1 ? transaction.abort : transaction.commit;
      }
      yield* eventually(latest(client, topic), (offset) => offset === 40);
      const { records } = yield* readTo(yield* client.fetcher, 40, { topic });
      assert.deepEqual(valuesOf(records), Array.from({ length: 20 }, (_, k) => `${k}`).filter((_, k) => k % 3 !== 1));
    }));

  test("a transaction without anything ends", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const producer = yield* transactional(client, `${topic}-empty`);
      yield* Effect.flatMap(producer.begin, ({ commit }) => commit);
      yield* Effect.flatMap(producer.begin, ({ abort }) => abort);
      const transaction = yield* producer.begin;
      yield* transaction.send([]);
      yield* transaction.send([record(topic, "something")]);
      yield* transaction.commit;
      yield* eventually(latest(client, topic), (offset) => offset === 2);
    }));

  test("offsets of a transaction are those of the group when it is committed, and not before", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client, 2);
      const group = `${topic}-offsets`;
      yield* client.commit(group, [{ topic, partition: 0, offset: 1 }]);
      const producer = yield* transactional(client, group);
      /** What a group has; an adapter may also refuse to tell while it may change. */
      const settled = Effect.map(
        Effect.result(client.committed(group, topic, [0, 1])),
        (result) => {
          if (result._tag === "Success") return [...result.success].sort();
          assert.equal(result.failure.code, "UNSTABLE_OFFSET_COMMIT");
          assert.equal(result.failure.retryable, true);
          return "unstable";
        },
      );
      const aborted = yield* producer.begin;
      yield* aborted.sendOffsets({ group, member: null, offsets: [{ topic, partition: 0, offset: 50 }] });
      const during = yield* settled;
      assert.ok(during === "unstable" || `${during}` === "0,1", `${during}`);
      yield* aborted.abort;
      assert.deepEqual(yield* eventually(settled, (found) => found !== "unstable"), [[0, 1]]);
      const committed = yield* producer.begin;
      yield* committed.send([record(topic, "with it")]);
      yield* committed.sendOffsets({
        group,
        member: null,
        offsets: [{ topic, partition: 0, offset: 60 }, { topic, partition: 1, offset: 7 }],
      });
      yield* committed.sendOffsets({
        group: `${group}-too`,
        member: null,
        offsets: [{ topic, partition: 1, offset: 8 }],
      });
      yield* committed.commit;
      yield* eventually(settled, (found) => `${found}` === "0,60,1,7");
      yield* eventually(client.committed(`${group}-too`, topic, [1]), (found) => found.get(1) === 8);
    }));

  test("a second producer of an id shuts out the first", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const first = yield* transactional(client, `${topic}-fences`);
      const transaction = yield* first.begin;
      yield* transaction.send([record(topic, "of the first")]);
      const second = yield* transactional(client, `${topic}-fences`);
      const error = yield* failureOf(transaction.commit);
      assert.ok(fencedCodes.includes(error.code), error.code);
      assert.equal(error.retryable, false);
      const its = yield* second.begin;
      yield* its.send([record(topic, "of the second")]);
      yield* its.commit;
      yield* eventually(latest(client, topic), (offset) => offset === 4);
      const { records } = yield* readTo(yield* client.fetcher, 4, { topic });
      assert.deepEqual(valuesOf(records), ["of the second"]);
    }));

  test("who was shut out can neither write nor commit offsets", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const id = `${topic}-shut-out`;
      const writing = yield* Effect.flatMap(transactional(client, id), ({ begin }) => begin);
      const committing = yield* Effect.flatMap(transactional(client, id), ({ begin }) => begin);
      yield* transactional(client, id);
      const errors = [
        yield* failureOf(writing.send([record(topic, "too late")])),
        yield* failureOf(
          committing.sendOffsets({ group: id, member: null, offsets: [{ topic, partition: 0, offset: 1 }] }),
        ),
      ];
      for (const error of errors) assert.ok(fencedCodes.includes(error.code), error.code);
      assert.equal(yield* latest(client, topic, "read_uncommitted"), 0);
      assert.equal((yield* client.committed(id, topic, [0])).size, 0);
    }));

  test("a new producer ends the open transaction of one that is gone", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const id = `${topic}-gone`;
      yield* Effect.scoped(Effect.gen(function* () {
        const producer = yield* transactional(client, id, 60_000);
        const transaction = yield* producer.begin;
        yield* transaction.send([record(topic, "left behind")]);
        yield* transaction.sendOffsets({ group: id, member: null, offsets: [{ topic, partition: 0, offset: 9 }] });
      }));
      assert.equal(yield* latest(client, topic), 0);
      yield* transactional(client, id);
      // It has ended when the producer is there: what a group has is certain now.
      assert.deepEqual([...yield* client.committed(id, topic, [0])], []);
      yield* eventually(latest(client, topic), (offset) => offset === 2);
      const { records } = yield* readTo(yield* client.fetcher, 2, { topic });
      assert.deepEqual(records, []);
    }));

  test("what was committed just before is what a group has as soon as a new producer is there", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const id = `${topic}-takes-over`;
      for (let epoch = 1; epoch <= 10; epoch++) {
        const producer = yield* transactional(client, id);
        assert.equal((yield* client.committed(id, topic, [0])).get(0), epoch === 1 ? undefined : epoch - 1);
        const transaction = yield* producer.begin;
        yield* transaction.send([record(topic, `${epoch}`)]);
        yield* transaction.sendOffsets({ group: id, member: null, offsets: [{ topic, partition: 0, offset: epoch }] });
        yield* transaction.commit;
      }
    }));

  test("a transaction that takes longer than it may is ended by the broker", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const error = yield* failureOf(transactional(client, `${topic}-too-long`, 2_000_000_000));
      assert.equal(error.code, "INVALID_TRANSACTION_TIMEOUT");
      assert.equal(error.retryable, false);
    }));

  test("a transaction is of no use behind its end, while a call is under way, and after a failure", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const producer = yield* transactional(client, topic);
      const first = yield* producer.begin;
      assert.match(
        (yield* failureOf(producer.begin)).message,
        /^Cannot begin a transaction .*: current value is open$/,
      );
      const [, during] = yield* Effect.all([first.send([record(topic, "one")]), failureOf(first.commit)], {
        concurrency: 2,
      });
      assert.match(during.message, /^Cannot commit a transaction .*: current value is busy$/);
      yield* first.commit;
      const second = yield* producer.begin;
      assert.equal((yield* failureOf(first.send([record(topic, "two")]))).code, clientCodes.client);
      assert.equal((yield* failureOf(second.send([record("there-is-no-such-topic", "three")]))).retryable, false);
      assert.equal((yield* failureOf(second.abort)).code, clientCodes.client);
      assert.equal((yield* failureOf(producer.begin)).code, clientCodes.client);
    }));

  // Writing

  test("an idempotent producer writes every record once and in order", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client, 2);
      const producer = yield* client.idempotentProducer({ compression: "none" });
      for (let k = 0; k < 50; k++) {
        yield* producer.send([record(topic, `${k}`), record(topic, `${k}`, { partition: 1 })]);
      }
      yield* producer.send([]);
      const fetcher = yield* client.fetcher;
      for (const partition of [0, 1]) {
        const { records } = yield* readTo(fetcher, 50, { topic, partition });
        assert.deepEqual(valuesOf(records), Array.from({ length: 50 }, (_, k) => `${k}`));
      }
    }));

  test("a record that is too large is refused for good", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const sent = [record(topic, new Uint8Array(1_100_000))];
      const errors = [
        yield* failureOf(Effect.flatMap(client.idempotentProducer({ compression: "none" }), ({ send }) => send(sent))),
        yield* failureOf(Effect.gen(function* () {
          const producer = yield* transactional(client, `${topic}-too-large`);
          const transaction = yield* producer.begin;
          yield* transaction.send(sent);
        })),
      ];
      for (const error of errors) {
        assert.equal(error.code, "MESSAGE_TOO_LARGE");
        assert.equal(error.retryable, false);
      }
      assert.equal(yield* latest(client, topic, "read_uncommitted"), 0);
    }));

  test("writing to a topic that is missing is an error, and does not make it", (client) =>
    Effect.gen(function* () {
      const error = yield* failureOf(write(client, [[record("not-made-by-writing", "lost")]]));
      assert.equal(error.code, "UNKNOWN_TOPIC_OR_PARTITION");
      assert.equal((yield* client.topics(["not-made-by-writing"])).size, 0);
    }));

  test("keys go to the partitions that the Java client gives them", (client) =>
    Effect.sync(() => {
      for (const [key, hash] of murmur2Vectors) {
        for (const partitions of [1, 2, 3, 7, 12, 100, 1_024]) {
          assert.equal(client.partitionOf(bytes(key), partitions), (hash & 0x7fffffff) % partitions, key);
        }
      }
      assert.equal(client.partitionOf(new Uint8Array(0), 1_000), (275646681 & 0x7fffffff) % 1_000);
    }));
};
