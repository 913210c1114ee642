/**
 * More of what every adapter of a Kafka library must do; see `client_contract.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Effect, Fiber, type Scope } from "effect";
import type { KafkaClient, KafkaClientProvider, OutgoingRecord } from "../../src/kafka/client.ts";
import { clientCodes, type KafkaError } from "../../src/kafka/errors.ts";
import { visibleRecords } from "../../src/kafka/visible.ts";
import { allow, clientOf, createTopic, deleteRecords } from "./broker/admin.ts";
import { startBroker } from "./broker/broker.ts";
import { type BrokerBehindProxy, startBrokerBehindProxy } from "./broker/fault-proxy.ts";
import { missingBroker } from "./broker/test-broker.ts";
import { settingsFor } from "./client_contract.ts";

/** After how long the broker closes a connection on which nothing is said, in milliseconds. */
const idleMillis = 1_500;

const missing = await missingBroker("more of the contract of Kafka clients");

const record = (topic: string, value: string, timestamp = Date.now()): OutgoingRecord => ({
  topic,
  partition: 0,
  timestamp,
  key: null,
  value: new TextEncoder().encode(value),
  headers: [],
});

const codeOf = <A, R>(what: Effect.Effect<A, KafkaError, R>): Effect.Effect<string, never, R> =>
  Effect.match(what, { onSuccess: () => "none", onFailure: ({ code }) => code });

/** All values of a topic's only partition. */
const valuesOf = (client: KafkaClient, topic: string) =>
  Effect.scoped(Effect.gen(function* () {
    const fetcher = yield* client.fetcher;
    const leader = (yield* fetcher.leaders([topic])).get(topic)!.get(0)!;
    const end = (yield* client.offsets(topic, [0], "latest", "read_committed")).get(0)!;
    const values: Array<string> = [];
    for (let offset = 0; offset < end;) {
      const [fetched] = yield* fetcher.fetch({
        leader,
        partitions: [{ topic, partition: 0, offset }],
        isolation: "read_committed",
        waitMillisMax: 500,
        bytesMax: 1_000_000,
        partitionBytesMax: 1_000_000,
      });
      assert.equal(fetched.error, null);
      const visible = visibleRecords(fetched, offset);
      values.push(...visible.records.map(({ value }) => new TextDecoder().decode(value!)));
      offset = visible.nextOffset;
    }
    return values;
  }));

/** Registers these tests for an adapter. */
export const moreOfClientContract = (provider: KafkaClientProvider): void => {
  let behind: BrokerBehindProxy;

  Deno.test.beforeAll(async () => {
    if (missing !== null) return;
    behind = await startBrokerBehindProxy({ settings: { "connections.max.idle.ms": `${idleMillis}` } });
  });

  Deno.test.afterAll(async () => {
    await behind?.[Symbol.asyncDispose]();
  });

  const test = (
    name: string,
    body: (client: KafkaClient, topic: string) => Effect.Effect<void, KafkaError, Scope.Scope>,
    settings: Readonly<Record<string, string>> = {},
  ): void =>
    Deno.test(`${provider.name}: ${name}`, { ignore: missing !== null }, async () => {
      const topic = `more-${name.replaceAll(/[^a-z]+/g, "-").slice(0, 60)}`;
      await createTopic({ brokers: behind.broker.brokers }, topic, { settings });
      await Effect.runPromise(Effect.scoped(
        Effect.flatMap(provider.open(settingsFor(behind.broker.brokers)), (client) => body(client, topic)),
      ));
    });

  const transactional = (client: KafkaClient, transactionalId: string) =>
    client.transactionalProducer({ transactionalId, timeoutMillis: 30_000, compression: "none" });

  test(
    "a connection that was closed because nothing was said is opened anew",
    (client, topic) =>
      Effect.gen(function* () {
        const fetcher = yield* client.fetcher;
        const producer = yield* transactional(client, topic);
        const other = yield* client.idempotentProducer({ compression: "none" });
        const leader = (yield* fetcher.leaders([topic])).get(topic)!.get(0)!;
        for (const value of ["a", "b", "c"]) {
          const transaction = yield* producer.begin;
          yield* transaction.send([record(topic, value)]);
          yield* transaction.sendOffsets({ group: topic, member: null, offsets: [{ topic, partition: 0, offset: 1 }] });
          yield* transaction.commit;
          yield* other.send([record(topic, value.toUpperCase())]);
          const [fetched] = yield* fetcher.fetch({
            leader,
            partitions: [{ topic, partition: 0, offset: 0 }],
            isolation: "read_committed",
            waitMillisMax: 100,
            bytesMax: 1_000,
            partitionBytesMax: 1_000,
          });
          assert.equal(fetched.error, null);
          assert.equal((yield* client.topics([topic])).size, 1);
          yield* Effect.sleep(2 * idleMillis);
        }
        assert.deepEqual(yield* valuesOf(client, topic), ["a", "A", "b", "B", "c", "C"]);
      }),
  );

  test(
    "what a producer sends again is on the log once, and what it sends instead is not lost",
    (client, topic) =>
      Effect.gen(function* () {
        const producer = yield* client.idempotentProducer({ compression: "none" });
        const expected: Array<string> = [];
        for (let k = 0; k < 5; k++) {
          const sent = [record(topic, `again ${k}`)];
          behind.proxy.cutAfter(0);
          let failures = 0;
          while ((yield* codeOf(producer.send(sent))) !== "none") failures++;
          assert.ok(failures < 20);
          const dropped = [record(topic, `given up ${k}`)];
          behind.proxy.cutAfter(0);
          yield* Effect.ignore(producer.send(dropped));
          const instead = [record(topic, `instead ${k}`)];
          while ((yield* codeOf(producer.send(instead))) !== "none") failures++;
          expected.push(`again ${k}`, `instead ${k}`);
        }
        const values = yield* valuesOf(client, topic);
        assert.deepEqual(values.filter((value) => !value.startsWith("given up")), expected);
        assert.equal(new Set(values).size, values.length);
      }),
  );

  test(
    "records have the time at which they were appended where their topic says so",
    (client, topic) =>
      Effect.gen(function* () {
        const producer = yield* client.idempotentProducer({ compression: "gzip" });
        const before = Date.now();
        yield* producer.send([record(topic, "one", 1_000_000_000_000), record(topic, "two", 1_100_000_000_000)]);
        const fetcher = yield* client.fetcher;
        const leader = (yield* fetcher.leaders([topic])).get(topic)!.get(0)!;
        const [fetched] = yield* fetcher.fetch({
          leader,
          partitions: [{ topic, partition: 0, offset: 0 }],
          isolation: "read_committed",
          waitMillisMax: 1_000,
          bytesMax: 1_000,
          partitionBytesMax: 1_000,
        });
        const times = fetched.batches.flatMap(({ records }) => records.map(({ timestamp }) => timestamp));
        assert.equal(times.length, 2);
        for (const time of times) assert.ok(time >= before - 1_000 && time <= Date.now() + 1_000, `${time}`);
      }),
    { "message.timestamp.type": "LogAppendTime" },
  );

  test("nothing is committed for a group that has members", (client, topic) =>
    Effect.gen(function* () {
      const consumer = clientOf({ brokers: behind.broker.brokers }).consumer({ groupId: topic });
      yield* Effect.addFinalizer(() => Effect.promise(() => consumer.disconnect()));
      yield* Effect.promise(async () => {
        await consumer.connect();
        await consumer.subscribe({ topic });
        const joined = new Promise<void>((done) => consumer.on("consumer.group_join", () => done()));
        await consumer.run({ eachMessage: () => Promise.resolve() });
        await joined;
      });
      assert.equal(yield* codeOf(client.commit(topic, [{ topic, partition: 0, offset: 1 }])), "UNKNOWN_MEMBER_ID");
      assert.equal((yield* client.committed(topic, topic, [0])).size, 0);
    }));

  test(
    "what has been deleted is out of range, and says where the rest begins",
    (client, topic) =>
      Effect.gen(function* () {
        const producer = yield* client.idempotentProducer({ compression: "none" });
        for (const value of ["a", "b", "c"]) yield* producer.send([record(topic, value)]);
        yield* Effect.promise(() => deleteRecords({ brokers: behind.broker.brokers }, topic, 0, "2"));
        assert.equal((yield* client.offsets(topic, [0], "earliest", "read_committed")).get(0), 2);
        const fetcher = yield* client.fetcher;
        const leader = (yield* fetcher.leaders([topic])).get(topic)!.get(0)!;
        const fetch = (offset: number) =>
          fetcher.fetch({
            leader,
            partitions: [{ topic, partition: 0, offset }],
            isolation: "read_committed",
            waitMillisMax: 1_000,
            bytesMax: 1_000,
            partitionBytesMax: 1_000,
          });
        assert.equal((yield* fetch(1))[0].error, "OFFSET_OUT_OF_RANGE");
        const [rest] = yield* fetch(2);
        assert.equal(rest.logStartOffset, 2);
        assert.deepEqual(visibleRecords(rest, 2).records.map(({ offset }) => offset), [2]);
      }),
  );

  test("many requests at once have each its own answer", (client, topic) =>
    Effect.gen(function* () {
      const all = yield* Effect.all(
        Array.from({ length: 60 }, (_, k) =>
          k % 3 === 0
            ? Effect.map(client.topics([topic, `none-${k}`]), (found) =>
              [...found.keys()].join())
            : k % 3 === 1
            ? Effect.map(client.offsets(topic, [0], "latest", "read_committed"), (found) => `${found.get(0)}`)
            : Effect.map(client.committed(`${topic}-${k}`, topic, [0]), (found) => `${found.size}`)),
        { concurrency: "unbounded" },
      );
      assert.deepEqual(
        all,
        Array.from({ length: 60 }, (_, k) =>
          k % 3 === 0 ? topic : "0"),
      );
    }));

  test("what is under way when it is closed ends at once", (client, topic) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.scoped(Effect.gen(function* () {
        const fetcher = yield* client.fetcher;
        const leader = (yield* fetcher.leaders([topic])).get(topic)!.get(0)!;
        const waiting = fetcher.fetch({
          leader,
          partitions: [{ topic, partition: 0, offset: 0 }],
          isolation: "read_committed",
          waitMillisMax: 9_000,
          bytesMax: 1_000,
          partitionBytesMax: 1_000,
        });
        const fiber = yield* Effect.forkDetach(codeOf(waiting));
        yield* Effect.sleep(300);
        return fiber;
      }));
      const began = performance.now();
      assert.equal(yield* Fiber.join(fiber), clientCodes.noConnection);
      assert.ok(performance.now() - began < 2_000);
    }));

  Deno.test(`${provider.name}: who may do only what is needed can do it`, { ignore: missing !== null }, async () => {
    await using guarded = await startBroker({ security: "sasl" });
    const { brokers } = guarded;
    const access = { brokers, sasl: { mechanism: "plain", username: "admin", password: "admin-secret" } } as const;
    await createTopic(access, "of-alice");
    await allow(access, "alice", "read", "topic", "of-alice");
    await allow(access, "alice", "write", "topic", "of-alice");
    await allow(access, "alice", "write", "transactional id", "of-alice");
    await allow(access, "alice", "read", "group", "of-alice");
    await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const sasl = { mechanism: "plain", username: "alice", password: "alice-secret" } as const;
      const client = yield* provider.open(settingsFor(brokers, { sasl }));
      const producer = yield* transactional(client, "of-alice");
      const transaction = yield* producer.begin;
      yield* transaction.send([record("of-alice", "hers")]);
      const offsets = [{ topic: "of-alice", partition: 0, offset: 1 }];
      yield* transaction.sendOffsets({ group: "of-alice", member: null, offsets });
      yield* transaction.commit;
      // An adapter may refuse to tell what may still change.
      while ((yield* codeOf(client.committed("of-alice", "of-alice", [0]))) !== "none") yield* Effect.sleep(20);
      assert.deepEqual(yield* valuesOf(client, "of-alice"), ["hers"]);
      yield* client.commit("of-alice", [{ topic: "of-alice", partition: 0, offset: 2 }]);
      const other = yield* client.idempotentProducer({ compression: "none" });
      yield* other.send([record("of-alice", "hers too")]);
      assert.equal(yield* client.batchBytesMax("of-alice"), 1_048_588);
    })));
  });
};
