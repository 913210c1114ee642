/** What other tests of Kafka stand on: a broker that comes and goes, and a proxy that breaks what goes through it. */
import assert from "node:assert/strict";
import { CompressionTypes, Kafka, logLevel, type SASLOptions } from "kafkajs";
import {
  type Access,
  allow,
  alterTopic,
  clientOf,
  committedOf,
  createTopic,
  deleteGroup,
  deleteRecords,
  deleteTopic,
  offsetsOf,
} from "./admin.ts";
import { startBroker } from "./broker.ts";
import { startBrokerBehindProxy, startProxy } from "./fault-proxy.ts";
import { loopback } from "./ports.ts";
import { externalBrokers, missingBroker, testBroker } from "./test-broker.ts";

const missing = await missingBroker("the tests of the broker");

const withBroker = (name: string, test: () => Promise<void>): void =>
  Deno.test(name, { ignore: missing !== null }, test);

/** Sends texts to partition 0 of a topic. */
const send = async (access: Access, topic: string, values: ReadonlyArray<string>): Promise<void> => {
  const producer = clientOf(access).producer();
  try {
    await producer.connect();
    const messages = values.map((value) => ({ value, partition: 0 }));
    await producer.send({ topic, messages, compression: CompressionTypes.GZIP });
  } finally {
    await producer.disconnect();
  }
};

/** Reads so many texts from the beginning of a topic, as a group that commits what it has read. */
const receive = async (access: Access, topic: string, count: number, groupId: string): Promise<Array<string>> => {
  const values: Array<string> = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const consumer = clientOf(access).consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, partition, message }) => {
      values.push(message.value?.toString() ?? "");
      const offset = String(BigInt(message.offset) + 1n);
      await consumer.commitOffsets([{ topic, partition, offset }]);
      if (values.length === count) resolve();
    },
  });
  await promise;
  await consumer.disconnect();
  return values;
};

withBroker("a broker keeps what is sent to it over kills and stops", async () => {
  await using broker = await startBroker();
  await createTopic(broker, "words", { partitions: 2 });
  await send(broker, "words", ["one", "two", "three"]);
  const [pid, address] = [broker.pid, broker.brokers[0]];

  await broker.kill();
  assert.throws(() => broker.pid, /Cannot tell/);
  await broker.start();
  assert.notEqual(broker.pid, pid);
  assert.equal(broker.brokers[0], address);
  assert.deepEqual(await receive(broker, "words", 3, "readers"), ["one", "two", "three"]);

  await broker.stop();
  await broker.start();
  assert.deepEqual(await offsetsOf(broker, "words"), [
    { partition: 0, low: "0", high: "3" },
    { partition: 1, low: "0", high: "0" },
  ]);
  assert.deepEqual(await committedOf(broker, "readers", "words"), { 0: "3" });
});

withBroker("topics, groups and records can be removed", async () => {
  await using broker = await testBroker();
  const topic = `removed-${crypto.randomUUID()}`;
  await createTopic(broker, topic, { settings: { "retention.ms": "3600000" } });
  await assert.rejects(createTopic(broker, topic), /Cannot create a topic/);
  await send(broker, topic, ["one", "two", "three"]);
  await receive(broker, topic, 3, topic);
  await deleteRecords(broker, topic, 0, "2");
  assert.deepEqual(await offsetsOf(broker, topic), [{ partition: 0, low: "2", high: "3" }]);
  await deleteGroup(broker, topic);
  assert.deepEqual(await committedOf(broker, topic, topic), {});
  await alterTopic(broker, topic, { "max.message.bytes": "100" });
  await assert.rejects(send(broker, topic, ["x".repeat(1_000) + Math.random()]), /larger|size/i);
  await deleteTopic(broker, topic);
  await assert.rejects(offsetsOf(broker, topic));
});

withBroker("a transaction is seen when it has been committed", async () => {
  await using broker = await testBroker();
  const topic = `transactions-${crypto.randomUUID()}`;
  await createTopic(broker, topic);
  const producer = clientOf(broker).producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  for (const [value, ends] of [["aborted", "abort"], ["committed", "commit"]] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value }] });
    await transaction[ends]();
  }
  await producer.disconnect();
  assert.deepEqual(await receive(broker, topic, 1, topic), ["committed"]);
  await deleteTopic(broker, topic);
});

withBroker("a broker with users refuses a wrong password, and whom no ACL allows anything", async () => {
  await using broker = await startBroker({ security: "sasl", users: { admin: "a-secret", alice: "b-secret" } });
  const as = (mechanism: "plain" | "scram-sha-256" | "scram-sha-512", username: string, password: string): Access => ({
    brokers: broker.brokers,
    sasl: { mechanism, username, password } as SASLOptions,
  });
  const admin = as("scram-sha-512", "admin", "a-secret");
  await createTopic(admin, "words");
  for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
    await assert.rejects(offsetsOf(as(mechanism, "alice", "wrong"), "words"), /authentication|credentials/i);
    await assert.rejects(send(as(mechanism, "alice", "b-secret"), "words", ["one"]), /authorized/i);
  }
  await assert.rejects(offsetsOf({ brokers: broker.brokers }, "words"));
  await allow(admin, "alice", "write", "topic", "words");
  await send(as("scram-sha-256", "alice", "b-secret"), "words", ["one"]);
  await send(as("plain", "alice", "b-secret"), "words", ["two"]);
  assert.deepEqual(await receive(admin, "words", 2, "readers"), ["one", "two"]);
});

withBroker("a broker with TLS is believed by whoever knows its authority", async () => {
  await using broker = await startBroker({ security: "tls" });
  await createTopic(broker, "words");
  await send(broker, "words", ["one"]);
  assert.deepEqual(await receive(broker, "words", 1, "readers"), ["one"]);
  const stranger = new Kafka({
    brokers: [...broker.brokers],
    ssl: true,
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
  })
    .admin();
  await assert.rejects(stranger.connect(), /certificate|issuer/i);
  await stranger.disconnect();
});

withBroker("users can come in by TLS", async () => {
  await using broker = await startBroker({ security: "sasl-tls" });
  const sasl: SASLOptions = { mechanism: "scram-sha-256", username: "admin", password: "admin-secret" };
  const access = { brokers: broker.brokers, caCertificate: broker.caCertificate, sasl };
  await createTopic(access, "words");
  await send(access, "words", ["one"]);
  await assert.rejects(createTopic({ ...access, sasl: { ...sasl, password: "wrong" } }, "others"), /authentication/i);
});

withBroker("clients stay behind a proxy, and come back when it is whole again", async () => {
  await using stand = await startBrokerBehindProxy();
  const { broker, proxy } = stand;
  assert.deepEqual(broker.brokers, [proxy.address]);
  await createTopic(broker, "words");
  const producer = clientOf(broker).producer();
  await producer.connect();
  await producer.send({ topic: "words", messages: [{ value: "one" }] });
  assert.ok(proxy.drop() > 0);
  await producer.send({ topic: "words", messages: [{ value: "two" }] });
  const cut = proxy.cutAfter(7);
  await producer.send({ topic: "words", messages: [{ value: "three" }] });
  await cut;
  await producer.disconnect();
  await proxy.refuse(true);
  await assert.rejects(offsetsOf(broker, "words"));
  await proxy.heal();
  // What was sent when the answer was cut off has arrived, and was sent again.
  assert.deepEqual(await offsetsOf(broker, "words"), [{ partition: 0, low: "0", high: "4" }]);
});

/** A server that gives back what it is sent. */
const startEcho = () => {
  const listener = Deno.listen({ hostname: loopback, port: 0 });
  const echoes: Array<Promise<void>> = [];
  const echo = async (connection: Deno.Conn): Promise<void> => {
    using end = connection;
    const buffer = new Uint8Array(4_096);
    for (let read = await end.read(buffer); read !== null; read = await end.read(buffer)) {
      for (let written = 0; written < read;) written += await end.write(buffer.subarray(written, read));
    }
  };
  const accepting = (async () => {
    for await (const connection of listener) echoes.push(echo(connection));
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await accepting;
      // A connection that was broken ends its echo with an error.
      await Promise.allSettled(echoes);
    },
  };
};

/** Sends a text and reads what comes back, until that is as long or the other side closes. */
const ask = async (port: number, text: string): Promise<string> => {
  using connection = await Deno.connect({ hostname: loopback, port });
  const sent = new TextEncoder().encode(text);
  const sending = (async () => {
    for (let written = 0; written < sent.length;) written += await connection.write(sent.subarray(written));
  })();
  const got = new Uint8Array(sent.length);
  let length = 0;
  while (length < sent.length) {
    const read = await connection.read(got.subarray(length));
    if (read === null) break;
    length += read;
  }
  await sending;
  return new TextDecoder().decode(got.subarray(0, length));
};

Deno.test("a proxy forwards, and does what it is told to", async () => {
  await using echo = startEcho();
  await using proxy = startProxy({ target: echo.port });
  const long = "x".repeat(200_000);
  assert.equal(await ask(proxy.port, long), long);

  const took = async (text: string): Promise<number> => {
    const began = performance.now();
    assert.equal(await ask(proxy.port, text), text);
    return performance.now() - began;
  };
  proxy.delay(50);
  assert.ok(await took("hello") >= 100, "there and back");
  await proxy.heal();
  proxy.throttle(10_000);
  assert.ok(await took("x".repeat(2_000)) >= 200);
  await proxy.heal();

  const cut = proxy.cutAfter(3);
  assert.equal(await ask(proxy.port, "hello"), "hel");
  await cut;
  assert.equal(await ask(proxy.port, "hello"), "hello");
  proxy.cutShare(1);
  assert.ok((await ask(proxy.port, "hello")).length < 5);
  await proxy.heal();

  await proxy.refuse(true);
  await assert.rejects(ask(proxy.port, "hello"), Deno.errors.ConnectionRefused);
  await proxy.refuse(false);
  assert.equal(await ask(proxy.port, "hello"), "hello");
});

Deno.test("a proxy that has gone silent keeps what it is sent, and drops it with its connection", async () => {
  await using echo = startEcho();
  await using proxy = startProxy({ target: echo.port });
  proxy.blackHole(true);
  const answers = [ask(proxy.port, "one"), ask(proxy.port, "two")];
  const silent = Symbol();
  const soon = new Promise((done) => setTimeout(() => done(silent), 50));
  assert.equal(await Promise.race([...answers, soon]), silent);
  assert.equal(proxy.connections, 2);
  proxy.blackHole(false);
  assert.deepEqual(await Promise.all(answers), ["one", "two"]);

  proxy.blackHole(true);
  const lost = ask(proxy.port, "three");
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(proxy.drop(), 1);
  assert.equal(await lost, "");
});

Deno.test("a proxy draws the same faults from the same seed", async () => {
  await using echo = startEcho();
  const lengths = async (seed: number): Promise<ReadonlyArray<number>> => {
    await using proxy = startProxy({ target: echo.port, seed });
    proxy.cutShare(0.5);
    const seen: Array<number> = [];
    for (let k = 0; k < 10; k++) seen.push((await ask(proxy.port, "hello, world")).length);
    return seen;
  };
  const seen = await lengths(7);
  assert.deepEqual(await lengths(7), seen);
  assert.notDeepEqual(await lengths(8), seen);
});

Deno.test("brokers that are there already are named by a variable", async () => {
  const before = Deno.env.get("KAFKA_BROKERS");
  try {
    Deno.env.set("KAFKA_BROKERS", "127.0.0.1:9092, 127.0.0.1:9093,");
    assert.deepEqual(externalBrokers(), ["127.0.0.1:9092", "127.0.0.1:9093"]);
    await using broker = await testBroker();
    assert.equal(broker.controllable, false);
    Deno.env.set("KAFKA_BROKERS", "");
    assert.equal(externalBrokers(), null);
  } finally {
    if (before === undefined) Deno.env.delete("KAFKA_BROKERS");
    else Deno.env.set("KAFKA_BROKERS", before);
  }
});
