/** The client port on @platformatic/kafka. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Effect, type Scope } from "effect";
import fc from "fast-check";
import type { Header, KafkaClient, OutgoingRecord } from "../../src/kafka/client.ts";
import { clientCodes, type KafkaError } from "../../src/kafka/errors.ts";
import { codecs } from "../../src/kafka/kafkajs/codecs.ts";
import { kafkajs } from "../../src/kafka/kafkajs/provider.ts";
import { readBatches } from "../../src/kafka/kafkajs/record-batches.ts";
import { platformatic } from "../../src/kafka/platformatic/provider.ts";
import { writeBatch } from "../../src/kafka/platformatic/record-batch.ts";
import { clientOf } from "./broker/admin.ts";
import { startBroker } from "./broker/broker.ts";
import { missingBroker, type TestBroker, testBroker } from "./broker/test-broker.ts";
import { clientContract, settingsFor } from "./client_contract.ts";
import { moreOfClientContract } from "./client_contract_more.ts";

clientContract(platformatic, kafkajs);
moreOfClientContract(platformatic);

const missing = await missingBroker("tests of the adapter for @platformatic/kafka");

const errorOf = <A, R>(what: Effect.Effect<A, KafkaError, R>): Effect.Effect<KafkaError, never, R> =>
  Effect.match(what, { onSuccess: () => assert.fail("it should have failed"), onFailure: (error) => error });

const record = (topic: string, value: string): OutgoingRecord => ({
  topic,
  partition: 0,
  timestamp: Date.now(),
  key: null,
  value: new TextEncoder().encode(value),
  headers: [],
});

let broker: TestBroker;

Deno.test.beforeAll(async () => {
  if (missing === null) broker = await testBroker();
});

Deno.test.afterAll(async () => {
  await broker?.[Symbol.asyncDispose]();
});

const test = (
  name: string,
  body: (client: KafkaClient, topic: string) => Effect.Effect<void, KafkaError, Scope.Scope>,
): void =>
  Deno.test(
    `${platformatic.name}: ${name}`,
    { ignore: missing !== null },
    () =>
      Effect.runPromise(Effect.scoped(Effect.gen(function* () {
        const client = yield* platformatic.open(settingsFor(broker.brokers));
        const topic = `platformatic-${crypto.randomUUID()}`;
        yield* client.createTopic(topic, 1);
        while (!(yield* client.topics([topic])).has(topic)) yield* Effect.sleep(20);
        yield* body(client, topic);
      }))),
  );

const transactional = (client: KafkaClient, transactionalId: string) =>
  client.transactionalProducer({ transactionalId, timeoutMillis: 30_000, compression: "none" });

test(
  "offsets of a transaction are refused from a member whose time is over",
  (client, topic) =>
    Effect.gen(function* () {
      const consumer = clientOf({ brokers: broker.brokers }).consumer({ groupId: topic });
      yield* Effect.addFinalizer(() => Effect.promise(() => consumer.disconnect()));
      const member = yield* Effect.promise(async () => {
        await consumer.connect();
        await consumer.subscribe({ topic });
        const joined = new Promise<string>((done) =>
          consumer.on("consumer.group_join", ({ payload }) => done(payload.memberId))
        );
        await consumer.run({ eachMessage: () => Promise.resolve() });
        return await joined;
      });
      const commitAs = (id: string, generation: number) =>
        Effect.scoped(Effect.gen(function* () {
          const transaction = yield* (yield* transactional(client, topic)).begin;
          const offsets = [{ topic, partition: 0, offset: generation + 40 }];
          yield* transaction.sendOffsets({ group: topic, member: { id, generation }, offsets });
          yield* transaction.commit;
        }));
      assert.equal((yield* errorOf(commitAs("somebody else", 1))).code, "UNKNOWN_MEMBER_ID");
      assert.equal((yield* errorOf(commitAs(member, 0))).code, "ILLEGAL_GENERATION");
      yield* commitAs(member, 1);
      while ((yield* client.committed(topic, topic, [0])).get(0) !== 41) yield* Effect.sleep(20);
    }),
);

test(
  "a transaction is of no use behind its end, while a call is under way, and after a failure",
  (client, topic) =>
    Effect.gen(function* () {
      const producer = yield* transactional(client, topic);
      const first = yield* producer.begin;
      assert.match((yield* errorOf(producer.begin)).message, /^Cannot begin a transaction .*: current value is open$/);
      const [, during] = yield* Effect.all([first.send([record(topic, "one")]), errorOf(first.commit)], {
        concurrency: 2,
      });
      assert.match(during.message, /^Cannot commit a transaction .*: current value is busy$/);
      yield* first.commit;
      const second = yield* producer.begin;
      assert.equal((yield* errorOf(first.send([record(topic, "two")]))).code, clientCodes.client);
      assert.equal((yield* errorOf(second.send([record("there-is-no-such-topic", "three")]))).retryable, false);
      assert.equal((yield* errorOf(second.abort)).code, clientCodes.client);
      assert.equal((yield* errorOf(producer.begin)).code, clientCodes.client);
    }),
);

Deno.test(`${platformatic.name}: who has to sign in anew does so`, { ignore: missing !== null }, async () => {
  const lifeMillis = 1_500;
  await using guarded = await startBroker({
    security: "sasl",
    settings: { "connections.max.reauth.ms": `${lifeMillis}` },
  });
  const { brokers } = guarded;
  const sasl = { mechanism: "scram-sha-256", username: "admin", password: "admin-secret" } as const;
  await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const client = yield* platformatic.open(settingsFor(brokers, { sasl }));
    yield* client.createTopic("signed-in", 1);
    while (!(yield* client.topics(["signed-in"])).has("signed-in")) yield* Effect.sleep(20);
    const producer = yield* client.idempotentProducer({ compression: "none" });
    const until = performance.now() + 4 * lifeMillis;
    let sent = 0;
    let failures = 0;
    while (performance.now() < until) {
      const records = [record("signed-in", `${sent}`)];
      // A connection that is closed meanwhile is a failure that may pass.
      while ((yield* Effect.result(producer.send(records)))._tag === "Failure") failures++;
      sent++;
      yield* Effect.sleep(20);
    }
    assert.ok(failures <= 4, `${failures}`);
    assert.equal((yield* client.offsets("signed-in", [0], "latest", "read_committed")).get(0), sent);
  })));
});

// What a server of SCRAM says in its first message, none of which may end this process.
for (const words of ["", "x", "r=another", "s=c2FsdA==,i=4096", "r=,s=,i=", "e=other-error", "r=\u0000,s=1,i=-1"]) {
  Deno.test(`${platformatic.name}: a broker that signs in by "${words}" is not believed`, async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const serving = (async () => {
      using connection = await listener.accept();
      const buffer = new Uint8Array(4_096);
      while (await connection.read(buffer) !== null) {
        const request = Buffer.from(buffer);
        const body = scramAnswers[request.readInt16BE(4)](Buffer.from(words));
        const head = Buffer.alloc(8);
        head.writeInt32BE(4 + body.length);
        request.copy(head, 4, 8, 12);
        await connection.write(Buffer.concat([head, body]));
      }
    })();
    const error = await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const client = yield* platformatic.open(settingsFor([`127.0.0.1:${port}`], {
        sasl: { mechanism: "scram-sha-256", username: "alice", password: "alice-secret" },
      }));
      return yield* errorOf(client.topics(["any"]));
    })));
    assert.equal(error.code, "SASL_AUTHENTICATION_FAILED");
    assert.equal(error.retryable, false);
    assert.ok(!error.message.includes("alice-secret"));
    await serving;
    listener.close();
  });
}

/** Answers by the numbers of their requests: which versions there are, which mechanisms, and what SCRAM has to say. */
const scramAnswers: Readonly<Record<number, (words: Buffer) => Buffer>> = {
  18: () => Buffer.from([0, 0, 0, 0, 0, 1, 0, 36, 0, 0, 0, 2, 0, 0, 0, 0]),
  17: () => Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 1, 0, 13]), Buffer.from("SCRAM-SHA-256")]),
  36: (words) => Buffer.concat([Buffer.from([0, 0, 0, 0, words.length + 1]), words, Buffer.alloc(9)]),
};

// Batches

const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 200 }));

const outgoing: fc.Arbitrary<OutgoingRecord> = fc.record({
  topic: fc.constant("topic"),
  partition: fc.constant(0),
  timestamp: fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 52 })),
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array<Header>(fc.tuple(fc.string({ unit: "grapheme" }), bytesOrNull), { maxLength: 4 }),
});

Deno.test("a batch is read as it was written", () => {
  const plainly = ({ timestamp, key, value, headers }: Omit<OutgoingRecord, "topic" | "partition">) => ({
    timestamp,
    key: key && [...key],
    value: value && [...value],
    headers: headers.map(([name, header]) => [name, header && [...header]]),
  });
  const producer = fc.record({
    id: fc.bigInt({ min: 0n, max: 2n ** 62n }),
    epoch: fc.nat(32_767),
    sequence: fc.nat(0x7fff_ffff),
    isTransactional: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(outgoing, { minLength: 1, maxLength: 20 }),
      producer,
      fc.constantFrom(...codecs),
      (records, producer, compression) => {
        const [batch, ...more] = readBatches(writeBatch(records, producer, compression), 1_000_000);
        assert.deepEqual(more, []);
        assert.deepEqual(batch.records.map(plainly), records.map(plainly));
        assert.deepEqual(batch.records.map(({ offset }) => offset), records.map((_, k) => k));
        assert.equal(batch.nextOffset, records.length);
        assert.equal(batch.producerId, `${producer.id}`);
        assert.equal(batch.isTransactional, producer.isTransactional);
        assert.equal(batch.control, null);
      },
    ),
  );
});
