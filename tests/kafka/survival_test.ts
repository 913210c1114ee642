/**
 * What a job on Kafka survives, and what it says where it does not: each against a real broker, with both client libraries.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { KafkaMessage } from "kafkajs";
import { Effect, Redacted, Schedule, Schema } from "effect";
import { Flow, Job, Sink, Source, Watermark } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { memoryKv } from "../../src/testing/memory-kv.ts";
import { allow, clientOf, committedOf, createTopic, deleteGroup, deleteRecords, offsetsOf } from "./broker/admin.ts";
import { type Broker, startBroker } from "./broker/broker.ts";
import { startBrokerBehindProxy } from "./broker/fault-proxy.ts";
import { freePort } from "./broker/ports.ts";
import { startRegistry } from "./broker/registry.ts";
import { missingBroker } from "./broker/test-broker.ts";
import { valuesOf } from "./kills/topics.ts";

const missing = await missingBroker("what a job on Kafka survives");
const clients = { kafkajs: Kafka.kafkajs, platformatic: Kafka.platformatic } as const;

/** The broker that most of these tests share. */
const shared: Broker | null = missing === null ? await startBroker() : null;
if (shared !== null) Deno.test.afterAll(async () => await shared[Symbol.asyncDispose]());

let topics = 0;
const newTopic = async (broker: Broker, partitions = 1, settings: Readonly<Record<string, string>> = {}) => {
  const topic = `survival-${++topics}`;
  await createTopic(broker, topic, { partitions, settings });
  return topic;
};

type Message = Parameters<ReturnType<ReturnType<typeof clientOf>["producer"]>["send"]>[0]["messages"][number];

const write = async (broker: Broker, topic: string, messages: Array<Message>): Promise<void> => {
  const producer = clientOf(broker).producer();
  await producer.connect();
  await producer.send({ topic, messages });
  await producer.disconnect();
};

/** What a consumer of KafkaJS sees of a topic of one partition, from its beginning on. */
const messagesOf = async (broker: Broker, topic: string, count: number) => {
  const consumer = clientOf(broker).consumer({ groupId: `reader-of-${topic}`, readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const found: Array<KafkaMessage> = [];
  await new Promise<void>((done, failed) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => failed(payload.error));
    void consumer.run({
      eachMessage: ({ message }) => {
        found.push(message);
        if (found.length === count) done();
        return Promise.resolve();
      },
    });
  });
  await consumer.disconnect();
  return found;
};

const errorOf = <A>(run: Effect.Effect<A, Job.JobError>): Promise<Job.JobError> => Effect.runPromise(Effect.flip(run));

const never = Schedule.recurs(0);
const Payment = Schema.Struct({ cents: Schema.Number });

/** A job that copies a topic's values to a sink in memory, and what cannot be decoded to another. */
const copy = (
  cluster: Kafka.Cluster,
  topic: string,
  options: Partial<Kafka.KafkaSourceOptions<string | null, typeof Payment.Type, ReadonlyArray<Kafka.Header>>> = {},
  { good, bad } = { good: Sink.memory<string>("good"), bad: Sink.memory<string>("bad") },
) => {
  const payments = Kafka.source("payments", {
    cluster,
    topics: topic,
    key: Kafka.nullable(Kafka.string()),
    value: Kafka.json(Payment),
    bounded: true,
    ...options,
  });
  const flow = Flow.from(payments).pipe(
    Flow.onError((letters) => letters.pipe(Flow.map(({ reason }) => reason), Flow.to(bad))),
    Flow.map(({ key, value }) => `${key}:${value.cents}`),
    Flow.to(good),
  );
  return { job: Job.make({ name: "copy", guarantee: "exactly-once", flows: [flow] }), good, bad };
};

/** A job that writes numbers to a topic. */
const numbersTo = (
  cluster: Kafka.Cluster,
  topic: string,
  count: number,
  options: Partial<Kafka.KafkaSinkOptions<string>> = {},
) =>
  Job.make({
    name: `numbers-to-${topic}`,
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("numbers", Array.from({ length: count }, (_, n) => n))).pipe(
        Flow.map((n) => ({ value: String(n) })),
        Flow.to(Kafka.sink("out", { cluster, topic, value: Kafka.string(), ...options, transactional: true })),
      ),
    ],
  });

const numbers = (count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, n) => String(n)).sort();

for (const [name, client] of Object.entries(clients)) {
  const test = (what: string, body: () => Promise<void>): void =>
    Deno.test(`${what}: ${name}`, { ignore: missing !== null }, body);
  const clusterOf = (broker: Pick<Broker, "brokers">, options: Partial<Kafka.ClusterOptions> = {}): Kafka.Cluster =>
    Kafka.cluster({ brokers: broker.brokers, client, ...options });

  test("where no broker is, the job says so with the address, tries again as it is told, and ends", async () => {
    const port = freePort();
    const { job } = copy(clusterOf({ brokers: [`127.0.0.1:${port}`] }), "payments");
    const restarts: Array<number> = [];
    const error = await errorOf(Job.run(job, {
      kv: memoryKv(),
      restart: Schedule.recurs(2),
      onRestart: ({ restart }) => restarts.push(restart),
    }));
    assert.equal(error._tag, "SourceError");
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
    assert.match(error.message, /a broker must be reachable/);
    assert.deepEqual(restarts, [1, 2]);
  });

  test("a broker that comes up while the job tries again is found", async () => {
    await using broker = await startBroker();
    const topic = await newTopic(broker);
    await write(broker, topic, [{ value: '{"cents":1}' }]);
    await broker.stop();
    const { job, good } = copy(clusterOf(broker), topic);
    const running = Effect.runPromise(Job.run(job, { kv: memoryKv(), restart: Schedule.spaced("200 millis") }));
    await broker.start();
    await running;
    assert.deepEqual(good.values(), ["null:1"]);
  });

  test("poison records become dead letters, null keys and values among them, and nothing else is lost", async () => {
    const topic = await newTopic(shared!);
    await write(shared!, topic, [
      { key: "a", value: '{"cents":1}' },
      { key: "a", value: '{"cents":"1"}' },
      { key: "a", value: "{cents" },
      { key: null, value: '{"cents":2}' },
      { key: "a", value: null },
      { key: Buffer.from([0xff]), value: '{"cents":3}' },
      { key: "a", value: Buffer.from([0x22, 0xff, 0x22]) },
      { key: "", value: '{"cents":4}' },
    ]);
    const { job, good, bad } = copy(clusterOf(shared!), topic);
    await Effect.runPromise(Job.run(job, { kv: memoryKv() }));
    assert.deepEqual(good.values(), ["a:1", "null:2", ":4"]);
    assert.deepEqual(bad.values().map((reason) => reason.split(":")[0]), [
      "value at offset 1 does not match the schema",
      "value at offset 2 is not JSON",
      "value at offset 4 is null, which only Kafka.nullable takes",
      "key at offset 5 is not UTF-8",
      "value at offset 6 is not UTF-8",
    ]);
  });

  test("poison records lie in a dead-letter topic as they were, with key, headers and timestamp", async () => {
    const topic = await newTopic(shared!);
    const deadTopic = await newTopic(shared!);
    const timestamp = String(Date.now() - 1_000);
    const trace = Buffer.from([0, 0xff]);
    const poison: Array<Message> = [
      { key: Buffer.from([0xff, 0]), value: '{"cents":1}', headers: { trace, tag: ["a", "b"] }, timestamp },
      { key: "a", value: Buffer.from([0x22, 0xff]), headers: { trace: "" }, timestamp },
      { key: "a", value: null, timestamp },
      { key: null, value: "", timestamp },
      { key: "", value: "{", timestamp },
    ];
    await write(shared!, topic, poison);
    const cluster = clusterOf(shared!);
    const format = Kafka.nullable(Kafka.bytes());
    const payments = Kafka.source("payments", {
      cluster,
      topics: topic,
      key: Kafka.nullable(Kafka.string()),
      value: Kafka.json(Payment),
      bounded: true,
    });
    const flow = Flow.from(payments).pipe(
      Flow.onError((letters) =>
        letters.pipe(
          Flow.map((letter) => ({ ...Kafka.deadLetter(letter), timestamp: letter.timestamp! })),
          Flow.to(Kafka.sink("dead", { cluster, topic: deadTopic, key: format, value: format })),
        )
      ),
      Flow.to(Sink.memory("good")),
    );
    const job = Job.make({ name: `dead-${deadTopic}`, guarantee: "exactly-once", flows: [flow] });
    await Effect.runPromise(Job.run(job, { kv: memoryKv() }));
    const written = await messagesOf(shared!, topic, poison.length);
    const found = await messagesOf(shared!, deadTopic, poison.length);
    assert.equal(written.length, poison.length);
    found.forEach(({ key, value, headers = {}, timestamp: time }, n) => {
      const { "weir.offset": offset, ...rest } = headers;
      const own = Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith("weir.")));
      assert.equal(String(offset), String(n));
      assert.deepEqual({ key, value, headers: own, time }, {
        key: written[n].key,
        value: written[n].value,
        headers: written[n].headers ?? {},
        time: timestamp,
      });
    });
  });

  test("a record that names a schema which the registry does not know is a dead letter, and its neighbours are read", async () => {
    await using registry = await startRegistry();
    const topic = await newTopic(shared!);
    const avro = { type: "record", name: "Payment", fields: [{ name: "cents", type: "long" }] };
    const format = Kafka.avro({
      registry: Kafka.schemaRegistry({ url: registry.url }),
      schema: Payment,
      avro,
      register: true,
    });
    const codec = await Effect.runPromise(Effect.scoped(format.open({ writesTo: topic, part: "value" })));
    const record = Buffer.from(codec.encode({ cents: 5 })!);
    const unknown = Buffer.from(record);
    unknown.writeInt32BE(987_654, 1);
    await write(shared!, topic, [{ value: record }, { value: unknown }, { value: record }]);
    const { job, good, bad } = copy(clusterOf(shared!), topic, { value: format });
    await Effect.runPromise(Job.run(job, { kv: memoryKv() }));
    assert.deepEqual(good.values(), ["null:5", "null:5"]);
    assert.equal(bad.values().length, 1);
    assert.match(bad.values()[0], /value at offset 1 .*987654/);
  });

  test("a record over the topic's limit fails with its coordinates, before anything of its epoch is committed", async () => {
    const topic = await newTopic(shared!, 1, { "max.message.bytes": "2000" });
    const cluster = clusterOf(shared!);
    const job = Job.make({
      name: `large-${topic}`,
      guarantee: "exactly-once",
      flows: [
        Flow.from(Source.array("texts", ["small", "x".repeat(3_000)])).pipe(
          Flow.map((value) => ({ value })),
          Flow.to(Kafka.sink("out", { cluster, topic, value: Kafka.string() })),
        ),
      ],
    });
    const error = await errorOf(Job.run(job, { kv: memoryKv() }));
    assert.equal(error._tag, "UserCodeError");
    assert.match(error.message, /it must have at most 2000 bytes \(max\.message\.bytes of the topic\)/);
    assert.match(error.message, /texts/);
    assert.deepEqual(await offsetsOf(shared!, topic), [{ partition: 0, low: "0", high: "0" }]);
  });

  test("a record that is larger than what is asked for at once is read", async () => {
    const topic = await newTopic(shared!);
    const value = JSON.stringify({ cents: 1, pad: "x".repeat(200_000) });
    await write(shared!, topic, [{ value }, { value: '{"cents":2}' }]);
    const { job, good } = copy(clusterOf(shared!), topic, { partitionBytesMax: 1_000, fetchBytesMax: 1_000 });
    await Effect.runPromise(Job.run(job, { kv: memoryKv() }));
    assert.deepEqual(good.values(), ["null:1", "null:2"]);
  });

  test("a topic that is missing ends the job at once, with its name", async () => {
    const cluster = clusterOf(shared!);
    const reading = await errorOf(Job.run(copy(cluster, "no-such-topic").job, { kv: memoryKv() }));
    assert.equal(reading._tag, "SourceError");
    assert.match(reading.message, /topic "no-such-topic" as it must exist at 127\.0\.0\.1:\d+/);
    const writing = await errorOf(Job.run(numbersTo(cluster, "no-such-topic", 3), { kv: memoryKv() }));
    assert.equal(writing._tag, "SinkError");
    assert.match(writing.message, /topic "no-such-topic" as it must exist at 127\.0\.0\.1:\d+/);
  });

  test("records that are gone by retention stop the job, which says what is lost; or are a dead letter", async () => {
    const topic = await newTopic(shared!, 2);
    const messages = Array.from({ length: 10 }, (_, n) => ({ partition: 1, value: `{"cents":${n}}` }));
    await write(shared!, topic, messages);
    const cluster = clusterOf(shared!);
    const kv = memoryKv();
    const first = copy(cluster, topic, { bounded: false });
    await Effect.runPromise(Job.run(first.job, { kv, mode: "available-now" }));
    await write(shared!, topic, messages);
    await deleteRecords(shared!, topic, 1, "14");

    const strict = copy(cluster, topic, { bounded: false }, first);
    const error = await errorOf(Job.run(strict.job, { kv, mode: "available-now" }));
    assert.equal(error._tag, "SourceError");
    assert.match(error.message, new RegExp(`${topic}-1 .*offsets 10 to 13 are lost`));

    const tolerant = copy(cluster, topic, { bounded: false, lostRecords: "dead-letter" }, first);
    await Effect.runPromise(Job.run(tolerant.job, { kv, mode: "available-now" }));
    assert.deepEqual(tolerant.good.values().slice(10), ["null:4", "null:5", "null:6", "null:7", "null:8", "null:9"]);
    assert.deepEqual(tolerant.bad.values(), ["offsets 10 to 13 were deleted before they were read: at most 4 records"]);
  });

  test("what ACLs refuse ends the job, which says what and where; with the documented ones it runs", async () => {
    await using broker = await startBroker({ security: "sasl" });
    const as = (username: string) => ({
      brokers: broker.brokers,
      sasl: { mechanism: "scram-sha-256" as const, username, password: `${username}-secret` },
    });
    const admin = as("admin");
    await createTopic(admin, "in");
    await createTopic(admin, "out");
    const alice = clusterOf(broker, {
      sasl: { mechanism: "scram-sha-256", username: "alice", password: Redacted.make("alice-secret") },
    });
    const job = () => {
      const flow = Flow.from(
        Kafka.source("in", { cluster: alice, topics: "in", value: Kafka.string(), bounded: true, group: "seen" }),
      )
        .pipe(
          Flow.onError("fail"),
          Flow.map(({ value }) => ({ value })),
          Flow.to(Kafka.sink("out", { cluster: alice, topic: "out", value: Kafka.string() })),
        );
      return Job.make({ name: "acl", guarantee: "exactly-once", flows: [flow] });
    };
    const refusal = async (): Promise<string> => {
      const error = await errorOf(Job.run(job(), { kv: memoryKv(), restart: never }));
      assert.ok(!JSON.stringify(error).includes("alice-secret") && !Deno.inspect(error).includes("alice-secret"));
      return error.message;
    };
    assert.match(await refusal(), /TOPIC_AUTHORIZATION_FAILED|topic "in" as it must exist/);
    await allow(admin, "alice", "read", "topic", "in");
    await allow(admin, "alice", "read", "group", "seen");
    assert.match(await refusal(), /sink "out".*(TOPIC_AUTHORIZATION_FAILED|topic "out" as it must exist)/);
    await allow(admin, "alice", "write", "topic", "out");
    await allow(admin, "alice", "create", "topic", "weir.epochs");
    await allow(admin, "alice", "read", "topic", "weir.epochs");
    assert.match(await refusal(), /TRANSACTIONAL_ID_AUTHORIZATION_FAILED/);
    await allow(admin, "alice", "write", "transactional id", "weir.acl.out");
    assert.match(await refusal(), /GROUP_AUTHORIZATION_FAILED/);
    await allow(admin, "alice", "read", "group", "*");
    await Effect.runPromise(Job.run(job(), { kv: memoryKv(), restart: never }));

    const wrong = clusterOf(broker, {
      sasl: { mechanism: "scram-sha-512", username: "alice", password: Redacted.make("not-the-password") },
    });
    const error = await errorOf(Job.run(copy(wrong, "in").job, { kv: memoryKv() }));
    assert.match(error.message, /SASL_AUTHENTICATION_FAILED|authentication failed/i);
    assert.ok(!Deno.inspect(error).includes("not-the-password"));
  });

  test("a transaction that a dead owner left open is ended at the next start, so that readers go on", async () => {
    const topic = await newTopic(shared!);
    const cluster = clusterOf(shared!);
    // What a process that was killed in the middle leaves behind: records, and no end.
    await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const client = yield* cluster.open;
      const producer = yield* client.transactionalProducer({
        transactionalId: `weir.numbers-to-${topic}.out`,
        timeoutMillis: 600_000,
        compression: "none",
      });
      const transaction = yield* producer.begin;
      yield* transaction.send([
        { topic, partition: 0, timestamp: 0, key: null, value: new TextEncoder().encode("half"), headers: [] },
      ]);
    })));
    await write(shared!, topic, [{ value: "behind" }]);
    await Effect.runPromise(Job.run(numbersTo(cluster, topic, 5), { kv: memoryKv() }));
    assert.deepEqual((await valuesOf(shared!, topic)).toSorted(), [...numbers(5), "behind"].sort());
  });

  test("output whose publication the broker has forgotten is neither repeated nor lost: a person decides", async () => {
    const { broker, proxy } = await startBrokerBehindProxy();
    try {
      const cluster = clusterOf(broker, {
        requestTimeout: "500 millis",
        connectTimeout: "500 millis",
        outageTimeout: "1 second",
      });
      for (const [whenUnknown, count] of [["publish", 5], ["skip", 0]] as const) {
        const topic = await newTopic(broker);
        const kv = memoryKv();
        // Nothing reaches the broker behind the first commit of the state.
        kv.onCommit((commit) => {
          if (commit === 1) proxy.blackHole(true);
          return "ok";
        });
        const options = { kv, restart: never } as const;
        const failed = await errorOf(Job.run(numbersTo(cluster, topic, 5), options));
        assert.equal(failed._tag, "SinkError");
        kv.onCommit(() => "ok");
        await proxy.heal();
        const admin = clientOf(broker).admin();
        await admin.connect();
        const { groups } = await admin.listGroups();
        await admin.disconnect();
        const group = groups.map(({ groupId }) => groupId).find((id) =>
          id.startsWith(`numbers-to-${topic}.out.`) && id.endsWith(".epochs")
        )!;
        assert.deepEqual(await committedOf(broker, group, "weir.epochs"), { 0: "0" });
        await deleteGroup(broker, group);
        const unknown = await errorOf(Job.run(numbersTo(cluster, topic, 5), options));
        assert.equal(unknown._tag, "PublicationUnknown");
        assert.match(unknown.message, new RegExp(`"${group.replaceAll(".", "\\.")}" has expired`));
        await Effect.runPromise(Job.run(numbersTo(cluster, topic, 5, { whenUnknown }), options));
        const seen = count === 0 ? [] : await valuesOf(broker, topic);
        assert.deepEqual(seen.toSorted(), numbers(count));
      }
    } finally {
      await proxy[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    }
  });

  test("with a hundred megabytes behind it, a job whose sink is stuck holds no more than before", async () => {
    const topic = await newTopic(shared!, 4, { "retention.ms": "-1" });
    const value = JSON.stringify({ cents: 1, pad: "x".repeat(900) });
    const producer = clientOf(shared!).producer();
    await producer.connect();
    for (let k = 0; k < 40; k++) {
      await producer.send({
        topic,
        messages: Array.from({ length: 3_000 }, (_, n) => ({ partition: n % 4, value, timestamp: "1700000000000" })),
      });
    }
    await producer.disconnect();
    const cluster = clusterOf(shared!);
    const stuck = Sink.idempotent("stuck", {
      encode: (row: string) => row,
      byteLength: (row) => row.length,
      open: (_context) => Effect.succeed({ marker: null, publish: () => Effect.never }),
    });
    const flow = Flow.from(Kafka.source("in", { cluster, topics: topic, value: Kafka.json(Payment) })).pipe(
      Flow.onError("fail"),
      Flow.eventTime({ timestamp: ({ timestamp }) => timestamp, watermark: Watermark.monotonic }),
      Flow.map(({ value }) => String(value.cents)),
      Flow.to(stuck),
    );
    const job = Job.make({ name: "stuck", guarantee: "exactly-once", flows: [flow] });
    await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const running = yield* Job.start(job, { kv: memoryKv(), epochInterval: "100 millis", epochRecordsMax: 5_000 });
      yield* Effect.sleep("1500 millis");
      const before = (yield* running.metrics).splits.map(({ records }) => records);
      const used = Deno.memoryUsage();
      yield* Effect.sleep("1 second");
      const { splits } = yield* running.metrics;
      assert.deepEqual(splits.map(({ records }) => records), before, "nothing more is read");
      assert.ok(splits.reduce((sum, { lag }) => sum + lag, 0) > 90_000, "the lag is known");
      const grown = (Deno.memoryUsage().rss - used.rss) / 2 ** 20;
      assert.ok(grown < 30, `${grown} MiB more`);
    })));
  });
}
