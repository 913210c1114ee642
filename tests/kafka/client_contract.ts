/**
 * What every adapter of a Kafka library must do, checked against a real broker: what the port promises, and what a broker in
 * memory does not have, such as compaction, compression, connections that break, and signing in.
 *
 * @module
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { Effect, Fiber, type Scope } from "effect";
import type { ClientSettings, KafkaClient, KafkaClientProvider } from "../../src/kafka/client.ts";
import { clientCodes, type KafkaError } from "../../src/kafka/errors.ts";
import { visibleRecords } from "../../src/kafka/visible.ts";
import { allow, clientOf, createTopic, deleteRecords } from "./broker/admin.ts";
import { type Broker, startBroker } from "./broker/broker.ts";
import { type BrokerBehindProxy, startBrokerBehindProxy } from "./broker/fault-proxy.ts";
import { javaArguments } from "./broker/kafka.ts";
import { missingBroker } from "./broker/test-broker.ts";
import {
  bytes,
  eventually,
  failureOf,
  fetchOnce,
  latest,
  newTopic,
  portContract,
  readTo,
  record,
  settingsFor,
  text,
  transactional,
  valuesOf,
  write,
} from "./port_contract.ts";

const missing = await missingBroker("the contract of the clients of Kafka");

/** Has Kafka's own client write some records to a topic. */
const writeByJava = async (broker: Broker, topic: string, compression: string, count: number): Promise<void> => {
  const source = decodeURIComponent(new URL("./JavaWriter.java", import.meta.url).pathname);
  const args = [broker.brokers.join(), topic, compression, `${count}`];
  const { success, stderr } = await new Deno.Command("java", {
    args: [...await javaArguments(["-Xmx128m", "-XX:TieredStopAtLevel=1"], source, args)],
    stdin: "null",
    stdout: "null",
  }).output();
  assert.ok(success, text(stderr)!);
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

  portContract(provider, () => plain.brokers, missing !== null);

  // Reading what only a real broker has

  test("a batch that compaction has emptied is read over", (client) =>
    Effect.gen(function* () {
      const topic = "contract-compacted";
      const settings = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.001",
        "max.compaction.lag.ms": "100",
      };
      yield* Effect.promise(() => createTopic({ brokers: plain.brokers }, topic, { settings }));
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

  test("records have the time at which they were appended where their topic says so", (client) =>
    Effect.gen(function* () {
      const topic = "contract-append-time";
      const settings = { "message.timestamp.type": "LogAppendTime" };
      yield* Effect.promise(() => createTopic({ brokers: plain.brokers }, topic, { settings }));
      const before = Date.now();
      const at = (timestamp: number) => record(topic, `${timestamp}`, { timestamp });
      yield* write(client, [[at(1_000_000_000_000), at(1_100_000_000_000)]], "gzip");
      const { records } = yield* readTo(yield* client.fetcher, 2, { topic });
      for (const { timestamp } of records) {
        assert.ok(timestamp >= before - 1_000 && timestamp <= Date.now() + 1_000, `${timestamp}`);
      }
    }));

  test("what has been deleted is out of range, and says where the rest begins", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      yield* write(client, ["a", "b", "c"].map((value) => [record(topic, value)]));
      yield* Effect.promise(() => deleteRecords({ brokers: plain.brokers }, topic, 0, "2"));
      assert.equal((yield* client.offsets(topic, [0], "earliest", "read_committed")).get(0), 2);
      const fetcher = yield* client.fetcher;
      assert.equal((yield* fetchOnce(fetcher, { topic, from: 1 })).error, "OFFSET_OUT_OF_RANGE");
      const rest = yield* fetchOnce(fetcher, { topic, from: 2 });
      assert.equal(rest.logStartOffset, 2);
      assert.deepEqual(visibleRecords(rest, 2).records.map(({ offset }) => offset), [2]);
    }));

  test("nothing is committed for a group that has members", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const consumer = clientOf({ brokers: plain.brokers }).consumer({ groupId: topic });
      yield* Effect.addFinalizer(() => Effect.promise(() => consumer.disconnect()));
      yield* Effect.promise(async () => {
        await consumer.connect();
        await consumer.subscribe({ topic });
        const joined = new Promise<void>((done) => consumer.on("consumer.group_join", () => done()));
        await consumer.run({ eachMessage: () => Promise.resolve() });
        await joined;
      });
      const error = yield* failureOf(client.commit(topic, [{ topic, partition: 0, offset: 1 }]));
      assert.equal(error.code, "UNKNOWN_MEMBER_ID");
      assert.equal((yield* client.committed(topic, topic, [0])).size, 0);
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

  test("what a producer sends again is on the log once, and what it sends instead is not lost", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const producer = yield* client.idempotentProducer({ compression: "none" });
      const expected: Array<string> = [];
      for (let k = 0; k < 5; k++) {
        const sent = [record(topic, `again ${k}`)];
        yield* cut;
        yield* eventually(producer.send(sent), () => true);
        yield* cut;
        yield* Effect.ignore(producer.send([record(topic, `given up ${k}`)]));
        const instead = [record(topic, `instead ${k}`)];
        yield* eventually(producer.send(instead), () => true);
        expected.push(`again ${k}`, `instead ${k}`);
      }
      const { records } = yield* readTo(yield* client.fetcher, yield* latest(client, topic), { topic });
      const values = valuesOf(records);
      assert.deepEqual(values.filter((value) => !value?.startsWith("given up")), expected);
      assert.equal(new Set(values).size, values.length);
    }));

  test("what is under way when it is closed ends at once", (client) =>
    Effect.gen(function* () {
      const topic = yield* newTopic(client);
      const fiber = yield* Effect.scoped(Effect.gen(function* () {
        const fetcher = yield* client.fetcher;
        const fiber = yield* Effect.forkDetach(failureOf(fetchOnce(fetcher, { topic, waitMillisMax: 9_000 })));
        yield* Effect.sleep(300);
        return fiber;
      }));
      const began = performance.now();
      assert.equal((yield* Fiber.join(fiber)).code, clientCodes.noConnection);
      assert.ok(performance.now() - began < 2_000);
    }));

  Deno.test(
    `${provider.name}: a connection that was closed because nothing was said is opened anew`,
    { ignore: missing !== null },
    async () => {
      const idleMillis = 1_500;
      await using idle = await startBroker({ settings: { "connections.max.idle.ms": `${idleMillis}` } });
      await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
        const client = yield* provider.open(settingsFor(idle.brokers));
        const topic = yield* newTopic(client);
        const fetcher = yield* client.fetcher;
        const producer = yield* transactional(client, topic);
        const other = yield* client.idempotentProducer({ compression: "none" });
        for (const value of ["a", "b", "c"]) {
          const transaction = yield* producer.begin;
          yield* transaction.send([record(topic, value)]);
          yield* transaction.sendOffsets({ group: topic, member: null, offsets: [{ topic, partition: 0, offset: 1 }] });
          yield* transaction.commit;
          yield* other.send([record(topic, value.toUpperCase())]);
          assert.equal((yield* fetchOnce(fetcher, { topic })).error, null);
          assert.equal((yield* client.topics([topic])).size, 1);
          yield* Effect.sleep(2 * idleMillis);
        }
        const { records } = yield* readTo(fetcher, yield* latest(client, topic), { topic });
        assert.deepEqual(valuesOf(records), ["a", "A", "b", "B", "c", "C"]);
      })));
    },
  );

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
          for (const words of told) assert.ok(!(words ?? "").includes(password), String(words));
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
      const leader = (yield* Effect.flatMap(admin.fetcher, ({ leaders }) => leaders([topic]))).get(topic)!.leaders.get(
        0,
      )!;
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
    `who may do only what is needed can do it`,
    Effect.gen(function* () {
      const { brokers, caCertificate } = guarded;
      const sasl = { mechanism: "plain", username: "admin", password: "admin-secret" } as const;
      const name = "of-alice";
      yield* Effect.promise(async () => {
        const access = { brokers, sasl, caCertificate };
        await createTopic(access, name);
        await allow(access, "alice", "read", "topic", name);
        await allow(access, "alice", "write", "topic", name);
        await allow(access, "alice", "write", "transactional id", name);
        await allow(access, "alice", "read", "group", name);
      });
      const alice = yield* guardedClient("alice", "alice-secret");
      // What is allowed takes a moment to be known.
      const producer = yield* eventually(transactional(alice, name), () => true);
      const transaction = yield* producer.begin;
      yield* transaction.send([record(name, "hers")]);
      const offsetsOf = (offset: number) => [{ topic: name, partition: 0, offset }];
      yield* transaction.sendOffsets({ group: name, member: null, offsets: offsetsOf(1) });
      yield* transaction.commit;
      yield* eventually(alice.committed(name, name, [0]), (found) => found.get(0) === 1);
      const { records } = yield* readTo(yield* alice.fetcher, 2, { topic: name });
      assert.deepEqual(valuesOf(records), ["hers"]);
      yield* alice.commit(name, offsetsOf(2));
      yield* write(alice, [[record(name, "hers too")]]);
      assert.equal(yield* alice.batchBytesMax(name), 1_048_588);
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
        assert.equal(error.retryable, false);
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
