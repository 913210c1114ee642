/**
 * What every adapter of a Kafka library must do, checked against a real broker: the contract of the client port
 * (`src/kafka/client.ts`) as tests.
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
import { createTopic as createTopicWith } from "./broker/admin.ts";
import { type Broker, startBroker } from "./broker/broker.ts";
import { type BrokerBehindProxy, startBrokerBehindProxy } from "./broker/fault-proxy.ts";
import { javaArguments } from "./broker/kafka.ts";
import { missingBroker } from "./broker/test-broker.ts";

const missing = await missingBroker("the contract of the clients of Kafka");

/** How long something that a cluster does in its own time may take before a test gives up, in milliseconds. */
const patienceMillis = 20_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytes = (text: string): Uint8Array => encoder.encode(text);
const text = (value: Uint8Array | null): string | null => value === null ? null : decoder.decode(value);

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
const record = (topic: string, value: string | Uint8Array | null, other: Partial<OutgoingRecord> = {}) => ({
  topic,
  partition: 0,
  timestamp: 1_700_000_000_000,
  key: null,
  value: typeof value === "string" ? bytes(value) : value,
  headers: [],
  ...other,
} satisfies OutgoingRecord);

/** Tries something until it is as wanted, for it may take the cluster a while. */
const eventually = <A, R>(
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
const failureOf = <A, R>(what: Effect.Effect<A, KafkaError, R>): Effect.Effect<KafkaError, never, R> =>
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
const fetchOnce = (fetcher: KafkaFetcher, reading: Reading): Effect.Effect<FetchedPartition, KafkaError> =>
  Effect.gen(function* () {
    const { topic, partition = 0, from = 0 } = reading;
    const leaders = yield* eventually(
      fetcher.leaders([topic]),
      (found) => found.get(topic)?.get(partition) !== undefined,
    );
    const [fetched, ...more] = yield* fetcher.fetch({
      leader: leaders.get(topic)!.get(partition)!,
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
const readTo = (fetcher: KafkaFetcher, end: number, reading: Reading) =>
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

const valuesOf = (records: ReadonlyArray<LogRecord>): ReadonlyArray<string | null> =>
  records.map(({ value }) => text(value));

let topics = 0;

/** A topic of its own, which every broker knows already. */
const newTopic = (client: KafkaClient, partitions = 1): Effect.Effect<string, KafkaError> =>
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
const write = (
  client: KafkaClient,
  batches: ReadonlyArray<ReadonlyArray<OutgoingRecord>>,
  compression: Compression = "none",
) =>
  Effect.scoped(Effect.gen(function* () {
    const producer = yield* client.idempotentProducer({ compression });
    for (const batch of batches) yield* producer.send(batch);
  }));

const latest = (client: KafkaClient, topic: string, isolation: Isolation = "read_committed") =>
  Effect.map(client.offsets(topic, [0], "latest", isolation), (offsets) => offsets.get(0)!);

const transactional = (client: KafkaClient, transactionalId: string, timeoutMillis = 30_000) =>
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

/** Has Kafka's own client write some records to a topic. */
const writeByJava = async (broker: Broker, topic: string, compression: string, count: number): Promise<void> => {
  const source = decodeURIComponent(new URL("./JavaWriter.java", import.meta.url).pathname);
  const args = [broker.brokers.join(), topic, compression, `${count}`];
  const { success, stderr } = await new Deno.Command("java", {
    args: [...await javaArguments(["-Xmx128m", "-XX:TieredStopAtLevel=1"], source, args)],
    stdin: "null",
    stdout: "null",
  }).output();
  assert.ok(success, decoder.decode(stderr));
};

/** What it has written, as text. */
const writtenByJava = (count: number) =>
  Array.from({ length: count }, (_, k) => ({
    timestamp: 1_600_000_000_000 + k,
    key: k % 3 === 0 ? null : `key ${k}`,
    value: k % 7 === 0 ? null : `${k} ${"again and ".repeat(k % 90)}`,
    headers: k % 5 !== 0 ? [] : [["b", "1"], ["a", null], ["b", ""]],
  }));

/** A server that does with its connections what it is told, and its address. */
const server = (serve: (connection: Deno.TcpConn) => Promise<void>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        const open = new Set<Deno.TcpConn>();
        const accepting = (async () => {
          for await (const connection of listener) {
            open.add(connection);
            serve(connection).catch((error) => {
              const { BadResource, BrokenPipe, ConnectionReset, Interrupted } = Deno.errors;
              if (![BadResource, BrokenPipe, ConnectionReset, Interrupted].some((kind) => error instanceof kind)) {
                throw error;
              }
            });
          }
        })();
        return { listener, open, accepting };
      }),
      ({ listener, open, accepting }) =>
        Effect.promise(async () => {
          listener.close();
          await accepting;
          for (const connection of open) {
            try {
              connection.close();
            } catch (error) {
              if (!(error instanceof Deno.errors.BadResource)) throw error;
            }
          }
        }),
    ),
    ({ listener }) => `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
  );

/**
 * Registers the contract as tests of an adapter.
 *
 * @param provider The adapter
 * @param writer The adapter that writes what the first must be able to read: better another one
 */
export const clientContract = (provider: KafkaClientProvider, writer: KafkaClientProvider = provider): void => {
  /** A broker that asks nobody who he is, behind a proxy that can break connections. */
  let behind: BrokerBehindProxy;
  let plain: Broker;
  let guarded: Broker;

  Deno.test.beforeAll(async () => {
    if (missing !== null) return;
    [behind, guarded] = await Promise.all([
      startBrokerBehindProxy({
        settings: { "auto.create.topics.enable": "true", "log.cleaner.backoff.ms": "200" },
      }),
      startBroker({ security: "sasl-tls" }),
    ]);
    plain = behind.broker;
  });

  Deno.test.afterAll(async () => {
    await behind?.[Symbol.asyncDispose]();
    await guarded?.[Symbol.asyncDispose]();
  });

  /** Breaks every connection to the broker as soon as it answers, once. */
  const cut = Effect.sync(() => void behind.proxy.cutAfter(0));

  const testAlone = (name: string, body: Effect.Effect<void, KafkaError, Scope.Scope>): void =>
    Deno.test(`${provider.name}: ${name}`, { ignore: missing !== null }, () => Effect.runPromise(Effect.scoped(body)));

  /** A test that needs nothing but a broker. */
  const test = (
    name: string,
    body: (client: KafkaClient) => Effect.Effect<void, KafkaError, Scope.Scope>,
  ): void => testAlone(name, Effect.suspend(() => Effect.flatMap(provider.open(settingsFor(plain.brokers)), body)));

  /** A client of the broker that asks everybody who he is. */
  const guardedClient = (username: string, password: string, other: Partial<ClientSettings> = {}) =>
    provider.open(settingsFor(guarded.brokers, {
      tls: { ca: guarded.caCertificate!, cert: null, key: null, serverName: null },
      sasl: { mechanism: "scram-sha-512", username, password },
      ...other,
    }));

  // Topics

  test("topics are described by the number of their partitions, and one that is missing is left out", (client) =>
    Effect.gen(function* () {
      const one = yield* newTopic(client, 1);
      const three = yield* newTopic(client, 3);
      const found = yield* client.topics([one, "there-is-no-such-topic", three]);
      assert.deepEqual(new Map(found), new Map([[one, { partitions: 1 }], [three, { partitions: 3 }]]));
      assert.deepEqual(new Map(yield* client.topics([])), new Map());
    }));

  test("much can be asked at once, also at first", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client, 2);
      const fresh = yield* provider.open(settingsFor(plain.brokers));
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

  test("asking for a topic does not make it", (client) =>
    Effect.gen(function* () {
      const fetcher = yield* client.fetcher;
      for (let k = 0; k < 3; k++) {
        assert.equal((yield* client.topics(["not-made-by-asking"])).size, 0);
        assert.equal((yield* fetcher.leaders(["not-made-by-asking"])).get("not-made-by-asking")?.size ?? 0, 0);
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
      assert.deepEqual([...leaders.get(a)!.keys()].sort(), [0, 1]);
      const answers = yield* fetcher.fetch({
        leader: leaders.get(a)!.get(0)!,
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

  test("a batch that compaction has emptied is read over", (client) =>
    Effect.gen(function* () {
      const topic = `contract-${++topics}`;
      const settings = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.001",
        "max.compaction.lag.ms": "100",
      };
      yield* Effect.promise(() => createTopicWith({ brokers: plain.brokers }, topic, { settings }));
      // Each has a segment of its own, and the last one is not compacted: of the others, the second hides the first.
      for (const value of ["hidden", "shown", "open"]) {
        yield* write(client, [[record(topic, value, { key: bytes("same"), timestamp: Date.now() })]]);
        yield* Effect.sleep(300);
      }
      const fetcher = yield* client.fetcher;
      yield* eventually(
        fetchOnce(fetcher, { topic }),
        (fetched) => valuesOf(visibleRecords(fetched, 0).records)[0] !== "hidden",
      );
      const { batches, records } = yield* readTo(fetcher, 3, { topic });
      assert.deepEqual(valuesOf(records), ["shown", "open"]);
      // What is left of a batch is kept as long as its producer may go on.
      assert.deepEqual(batches.map(({ nextOffset }) => nextOffset), [1, 2, 3]);
      assert.deepEqual(batches[0].records, []);
    }));

  for (const compression of ["gzip", "snappy", "lz4", "zstd"] as const) {
    test(`batches that ${writer.name} has compressed by ${compression} are read`, (client) =>
      Effect.gen(function* () {
        const topic = yield* newTopic(client);
        const values = Array.from({ length: 2_000 }, (_, k) => `${compression} ${k} ${"again ".repeat(k % 50)}`);
        values.push("x".repeat(300_000), "");
        const writing = yield* writer.open(settingsFor(plain.brokers));
        yield* write(
          writing,
          [values.slice(0, 700), values.slice(700)].map((batch) =>
            batch.map((value) => record(topic, value, { key: bytes(value.slice(0, 9)) }))
          ),
          compression,
        );
        const fetcher = yield* client.fetcher;
        const { records } = yield* readTo(fetcher, values.length, { topic, partitionBytesMax: 5_000 });
        assert.deepEqual(valuesOf(records), values);
      }));

    test(`batches that Java has compressed by ${compression} are read`, (client) =>
      Effect.gen(function* () {
        const topic = yield* newTopic(client);
        const count = 3_000;
        yield* Effect.promise(() => writeByJava(plain, topic, compression, count));
        const { records } = yield* readTo(yield* client.fetcher, count, { topic });
        assert.deepEqual(
          records.map(({ timestamp, key, value, headers }) => ({
            timestamp,
            key: text(key),
            value: text(value),
            headers: headers.map(([name, header]) => [name, text(header)]),
          })),
          writtenByJava(count),
        );
      }));

    test(`a batch of ${compression} that would become too large is not decompressed`, (client) =>
      Effect.gen(function* () {
        const topic = yield* newTopic(client);
        const writing = yield* writer.open(settingsFor(plain.brokers));
        yield* write(writing, [[record(topic, new Uint8Array(800_000))]], compression);
        const wary = yield* provider.open(settingsFor(plain.brokers, { batchBytesMax: 100_000 }));
        const error = yield* failureOf(Effect.flatMap(wary.fetcher, (fetcher) => fetchOnce(fetcher, { topic })));
        assert.equal(error.code, clientCodes.tooLarge);
        assert.equal(error.retryable, false);
      }));
  }

  test("an answer that is larger than was allowed is not taken", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      yield* write(client, [[record(topic, new Uint8Array(200_000))]]);
      const wary = yield* provider.open(settingsFor(plain.brokers, { responseBytesMax: 100_000 }));
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

  // Brokers that are not as they should be

  test("a broker that is not there is told soon, by its address", () =>
    Effect.gen(function* () {
      const [address, other] = [
        yield* Effect.scoped(server(async () => {})),
        yield* Effect.scoped(server(async () => {})),
      ];
      const client = yield* provider.open(settingsFor([address, other]));
      const began = performance.now();
      const errors = [
        yield* failureOf(client.topics(["any"])),
        yield* failureOf(Effect.flatMap(client.fetcher, (fetcher) => fetcher.leaders(["any"]))),
        yield* failureOf(client.commit("any", [{ topic: "any", partition: 0, offset: 0 }])),
        yield* failureOf(transactional(client, "any")),
        yield* failureOf(write(client, [[record("any", "any")]])),
      ];
      const millis = performance.now() - began;
      assert.ok(millis < 10_000, `it took ${millis} ms`);
      for (const error of errors) {
        assert.equal(error.code, clientCodes.noConnection);
        assert.equal(error.retryable, true);
        assert.match(error.message, /^Cannot .* as .*: current value is .*/);
        assert.ok(error.message.includes(address), error.message);
      }
    }));

  test("a second address is asked when the first is out of reach", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.scoped(server(async () => {}));
      const client = yield* provider.open(settingsFor([gone, ...plain.brokers]));
      assert.equal((yield* eventually(client.topics(["none"]), () => true)).size, 0);
    }));

  test("a broker that says nothing is given up in time", () =>
    Effect.gen(function* () {
      const address = yield* server(async (connection) => {
        for await (const _ of connection.readable) { /* and says nothing */ }
      });
      const client = yield* provider.open(
        settingsFor([address], { connectMillisMax: 500, requestMillisMax: 500 }),
      );
      const began = performance.now();
      const error = yield* failureOf(client.topics(["any"]));
      assert.ok([clientCodes.timedOut, clientCodes.noConnection].some((code) => code === error.code), error.code);
      assert.equal(error.retryable, true);
      assert.ok(performance.now() - began < 8_000);
    }));

  for (
    const [what, answer] of [
      ["claims a huge answer", [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]],
      ["claims an answer of negative size", [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]],
      ["answers with less than a header", [0, 0, 0, 2, 0, 0]],
      ["answers in another protocol", [...bytes("HTTP/1.1 400 Bad Request\r\n\r\n")]],
    ] as const
  ) {
    test(`a broker that ${what} is not believed`, () =>
      Effect.gen(function* () {
        const address = yield* server(async (connection) => {
          await connection.read(new Uint8Array(1_024));
          await connection.write(Uint8Array.from(answer));
          for await (const _ of connection.readable) { /* it waits */ }
        });
        const client = yield* provider.open(
          settingsFor([address], { connectMillisMax: 2_000, requestMillisMax: 2_000 }),
        );
        const error = yield* failureOf(client.topics(["any"]));
        assert.notEqual(error.code, clientCodes.client, error.message);
      }));
  }

  test("a fetcher reads on when a broker was killed and has come back", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      yield* write(client, [[record(topic, "before")]]);
      const fetcher = yield* client.fetcher;
      yield* readTo(fetcher, 1, { topic });
      const producer = yield* client.idempotentProducer({ compression: "none" });
      const [error] = yield* Effect.all([
        failureOf(fetchOnce(fetcher, { topic, from: 1, waitMillisMax: 9_000 })),
        Effect.andThen(Effect.sleep(300), Effect.promise(() => plain.kill())),
      ], { concurrency: 2 });
      assert.equal(error.code, clientCodes.noConnection);
      assert.equal(error.retryable, true);
      assert.equal((yield* failureOf(client.topics([topic]))).code, clientCodes.noConnection);
      assert.equal((yield* failureOf(producer.send([record(topic, "no")]))).retryable, true);
      yield* Effect.promise(() => plain.start());
      yield* eventually(latest(client, topic), (offset) => offset >= 1);
      yield* eventually(write(client, [[record(topic, "after")]]), () => true);
      const found = yield* eventually(
        fetchOnce(fetcher, { topic, from: 1, waitMillisMax: 1_000 }),
        ({ error, batches }) => error === null && batches.length > 0,
      );
      assert.ok(valuesOf(visibleRecords(found, 1).records).includes("after"));
    }));

  test("a commit whose answer is lost is not sent again", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const producer = yield* transactional(client, `${topic}-lost`);
      const transaction = yield* producer.begin;
      yield* transaction.send([record(topic, "committed, though nobody has said so")]);
      yield* cut;
      // The broker answers the same to a second commit of a transaction, so one that was sent again would succeed.
      const error = yield* failureOf(transaction.commit);
      assert.equal(error.code, clientCodes.noConnection);
      assert.equal(error.retryable, true);
      yield* failureOf(transaction.abort);
      yield* failureOf(Effect.flatMap(producer.begin, ({ send }) => send([record(topic, "of no more use")])));
      const next = yield* transactional(client, `${topic}-lost`);
      yield* Effect.flatMap(next.begin, ({ commit }) => commit);
      assert.equal(yield* eventually(latest(client, topic), (offset) => offset > 0), 2);
      const { records } = yield* readTo(yield* client.fetcher, 2, { topic });
      assert.deepEqual(valuesOf(records), ["committed, though nobody has said so"]);
    }));

  test("a record whose answer is lost is on the log once", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      let sent = 0;
      for (let k = 0; k < 10; k++) {
        const producer = yield* client.idempotentProducer({ compression: "none" });
        yield* producer.send([record(topic, `first ${k}`)]);
        yield* cut;
        const result = yield* Effect.result(producer.send([record(topic, `second ${k}`)]));
        sent += 2;
        if (result._tag === "Failure") assert.equal(result.failure.retryable, true);
      }
      assert.equal(yield* eventually(latest(client, topic), (offset) => offset >= sent), sent);
    }));

  test("nothing is lost or repeated over connections that break in the middle of answers", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const values = Array.from({ length: 3_000 }, (_, k) => `${k} ${"x".repeat(k % 97)}`);
      const parts = Array.from({ length: 60 }, (_, k) => values.slice(50 * k, 50 * (k + 1)));
      yield* write(client, parts.map((part) => part.map((value) => record(topic, value))));
      const fetcher = yield* client.fetcher;
      behind.proxy.cutShare(0.3);
      yield* Effect.addFinalizer(() => Effect.promise(() => behind.proxy.heal()));
      const read: Array<string | null> = [];
      let offset = 0;
      let broken = 0;
      while (offset < values.length) {
        const result = yield* Effect.result(fetchOnce(fetcher, { topic, from: offset, partitionBytesMax: 20_000 }));
        if (result._tag === "Failure") {
          broken++;
          assert.equal(result.failure.code, clientCodes.noConnection);
          continue;
        }
        const visible = visibleRecords(result.success, offset);
        read.push(...valuesOf(visible.records));
        offset = visible.nextOffset;
      }
      assert.deepEqual(read, values);
      assert.ok(broken > 0);
    }));

  test("a broker that goes silent is given up in time, and asked again", () =>
    Effect.gen(function* () {
      const client = yield* provider.open(
        settingsFor(plain.brokers, { connectMillisMax: 1_000, requestMillisMax: 1_000 }),
      );
      const topic = yield* newTopic(client);
      const fetcher = yield* client.fetcher;
      yield* fetchOnce(fetcher, { topic });
      behind.proxy.blackHole(true);
      yield* Effect.addFinalizer(() => Effect.promise(() => behind.proxy.heal()));
      const began = performance.now();
      const errors = yield* Effect.all([
        failureOf(client.topics([topic])),
        failureOf(Effect.flatMap(client.fetcher, (other) =>
          other.fetch({
            leader: 1,
            partitions: [{ topic, partition: 0, offset: 0 }],
            isolation: "read_committed",
            waitMillisMax: 100,
            bytesMax: 1_000,
            partitionBytesMax: 1_000,
          }))),
      ], { concurrency: 2 });
      assert.ok(performance.now() - began < 6_000);
      for (const { code, retryable } of errors) {
        assert.ok([clientCodes.timedOut, clientCodes.noConnection].some((one) => one === code), code);
        assert.equal(retryable, true);
      }
      yield* Effect.promise(() => behind.proxy.heal());
      yield* eventually(client.topics([topic]), (found) => found.size === 1);
      yield* eventually(fetchOnce(fetcher, { topic }), ({ error }) => error === null);
    }));

  // Who we are

  for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
    testAlone(
      `who signs in by ${mechanism} over TLS is let in`,
      Effect.gen(function* () {
        const client = yield* guardedClient("admin", "admin-secret", {
          sasl: { mechanism, username: "admin", password: "admin-secret" },
        });
        const topic = yield* newTopic(client);
        yield* write(client, [[record(topic, mechanism)]]);
        const { records } = yield* readTo(yield* client.fetcher, 1, { topic });
        assert.deepEqual(valuesOf(records), [mechanism]);
      }),
    );

    testAlone(
      `a wrong password by ${mechanism} is refused, and is told to nobody`,
      Effect.gen(function* () {
        const password = "not-the-right-password";
        const client = yield* guardedClient("admin", password, {
          sasl: { mechanism, username: "admin", password },
        });
        const errors = [
          yield* failureOf(client.topics(["any"])),
          yield* failureOf(Effect.flatMap(client.fetcher, (fetcher) => fetcher.leaders(["any"]))),
          yield* failureOf(transactional(client, "any")),
        ];
        for (const error of errors) {
          assert.equal(error.code, "SASL_AUTHENTICATION_FAILED");
          assert.equal(error.retryable, false);
          const told = [
            error.message,
            JSON.stringify(error),
            inspect(error, { depth: 20, showHidden: true }),
            error.stack,
          ];
          for (const words of told) assert.ok(!(words ?? "").includes(password), `${words}`);
        }
      }),
    );
  }

  testAlone(
    `what an ACL does not allow is refused by its name`,
    Effect.gen(function* () {
      const admin = yield* guardedClient("admin", "admin-secret");
      const topic = yield* newTopic(admin);
      const alice = yield* guardedClient("alice", "alice-secret");
      const errors = [
        yield* failureOf(alice.topics([topic])),
        yield* failureOf(alice.offsets(topic, [0], "latest", "read_committed")),
        yield* failureOf(Effect.flatMap(alice.fetcher, (fetcher) => fetcher.leaders([topic]))),
      ];
      assert.deepEqual(errors.map(({ code }) => code), Array(3).fill("TOPIC_AUTHORIZATION_FAILED"));
      // Who may write nowhere may not even ask for the number of a producer.
      const writing = yield* failureOf(write(alice, [[record(topic, "no")]]));
      assert.ok(["TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"].includes(writing.code), writing.code);
      const fetcher = yield* alice.fetcher;
      const leader = (yield* Effect.flatMap(admin.fetcher, ({ leaders }) => leaders([topic]))).get(topic)!.get(0)!;
      const [fetched] = yield* fetcher.fetch({
        leader,
        partitions: [{ topic, partition: 0, offset: 0 }],
        isolation: "read_committed",
        waitMillisMax: 100,
        bytesMax: 1_000,
        partitionBytesMax: 1_000,
      });
      assert.equal(fetched.error, "TOPIC_AUTHORIZATION_FAILED");
      const group = [
        yield* failureOf(alice.committed("no-group-of-alice", topic, [0])),
        yield* failureOf(alice.commit("no-group-of-alice", [{ topic, partition: 0, offset: 1 }])),
      ];
      assert.deepEqual(group.map(({ code }) => code), Array(2).fill("GROUP_AUTHORIZATION_FAILED"));
      const id = yield* failureOf(transactional(alice, "no-id-of-alice"));
      assert.equal(id.code, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED");
      for (const error of [...errors, writing, ...group, id]) assert.equal(error.retryable, false);
      assert.equal(yield* alice.batchBytesMax(topic), 1_048_588);
    }),
  );

  testAlone(
    `a broker whose certificate nobody vouches for is not spoken to`,
    Effect.gen(function* () {
      for (
        const tls of [
          { ca: null, cert: null, key: null, serverName: null },
          { ca: guarded.caCertificate!, cert: null, key: null, serverName: "another.example.com" },
        ]
      ) {
        const client = yield* guardedClient("admin", "admin-secret", { tls });
        const error = yield* failureOf(client.topics(["any"]));
        assert.equal(error.code, clientCodes.noConnection);
        assert.ok(error.message.includes(guarded.brokers[0]), error.message);
      }
    }),
  );

  testAlone(
    `a broker that speaks TLS is not spoken to without it`,
    Effect.gen(function* () {
      const client = yield* guardedClient("admin", "admin-secret", {
        tls: null,
        connectMillisMax: 2_000,
        requestMillisMax: 2_000,
      });
      const error = yield* failureOf(client.topics(["any"]));
      assert.notEqual(error.code, "SASL_AUTHENTICATION_FAILED");
    }),
  );

  testAlone(
    `nothing is written to the console`,
    Effect.gen(function* () {
      const written: Array<unknown> = [];
      const names = ["log", "info", "warn", "error", "debug"] as const;
      const kept = names.map((name) => console[name]);
      for (const name of names) console[name] = (...words: Array<unknown>) => void written.push([name, ...words]);
      yield* Effect.addFinalizer(() => Effect.sync(() => names.forEach((name, k) => console[name] = kept[k])));
      const client = yield* guardedClient("admin", "not-the-right-password");
      yield* failureOf(client.topics(["any"]));
      const gone = yield* Effect.scoped(server(async () => {}));
      yield* failureOf(Effect.flatMap(provider.open(settingsFor([gone])), (other) => transactional(other, "any")));
      assert.deepEqual(written, []);
    }),
  );
};
