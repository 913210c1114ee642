/** A broker that lets nobody in for long: connections are replaced in time, and what is under way is answered. */
import assert from "node:assert/strict";
import { Deferred, Effect, Exit, Fiber, Scope } from "effect";
import { TestClock } from "effect/testing";
import { kafkajs } from "../../src/kafka/kafkajs/provider.ts";
import { platformatic } from "../../src/kafka/platformatic/provider.ts";
import type { BrokerConnection, Metadata } from "../../src/kafka/wire/broker-connection.ts";
import { Brokers } from "../../src/kafka/wire/brokers.ts";
import { startBroker } from "./broker/broker.ts";
import { missingBroker } from "./broker/test-broker.ts";
import { eventually, record, settingsFor, transactional } from "./port_contract.ts";

const address = "127.0.0.1:9092";
const nothing: Metadata = { brokers: [], controllerId: 0, topics: [] };

/** Connections that know only of metadata, the last one last. What is asked about "slow" is answered when `answer` is. */
const connections = (sessionMillis: number) => {
  const made: Array<{ readonly connection: BrokerConnection; isOpen: boolean; asked: number }> = [];
  const answer = Deferred.makeUnsafe<void>();
  const connect = () =>
    Effect.sync(() => {
      const connection = {
        open: Effect.sync(() => void (state.isOpen = true)),
        get isOpen() {
          return state.isOpen;
        },
        sessionMillis,
        close: Effect.sync(() => void (state.isOpen = false)),
        metadata: ([topic]: ReadonlyArray<string>) => {
          state.asked++;
          return topic === "slow" ? Effect.as(Deferred.await(answer), nothing) : Effect.succeed(nothing);
        },
      } as Partial<BrokerConnection> as BrokerConnection;
      const state = { connection, isOpen: false, asked: 0 };
      made.push(state);
      return connection;
    });
  return { made, answer, connect };
};

/** A test in time that passes only when it is told to. */
const inTestTime = <A>(what: Effect.Effect<A, unknown, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.scoped(what).pipe(Effect.provide(TestClock.layer())));

Deno.test("another connection takes the place of one whose session has used 0.8 of its time", () =>
  inTestTime(Effect.gen(function* () {
    const { made, connect } = connections(10_000);
    const brokers = yield* Brokers.make(connect, settingsFor([address]), new Map([[1, address]]));
    const ask = brokers.ask(1, (one) => one.metadata(["any"]));
    yield* ask;
    yield* TestClock.adjust(7_999);
    yield* ask;
    yield* brokers.metadata(["any"]);
    assert.deepEqual(made.map(({ isOpen, asked }) => [isOpen, asked]), [[true, 3]]);
    yield* TestClock.adjust(1);
    yield* brokers.metadata(["any"]);
    yield* ask;
    assert.deepEqual(made.map(({ isOpen, asked }) => [isOpen, asked]), [[false, 3], [true, 2]]);
    yield* TestClock.adjust(8_000);
    yield* ask;
    assert.deepEqual(made.map(({ isOpen }) => isOpen), [false, false, true]);
  })));

Deno.test("a connection is closed only when the last answer over it has come", () =>
  inTestTime(Effect.gen(function* () {
    const { made, connect, answer } = connections(10_000);
    const brokers = yield* Brokers.make(connect, settingsFor([address]), new Map([[1, address]]));
    const slow = yield* Effect.forkChild(brokers.ask(1, (one) => one.metadata(["slow"])));
    yield* TestClock.adjust(9_000);
    yield* brokers.ask(1, (one) => one.metadata(["any"]));
    assert.deepEqual(made.map(({ isOpen }) => isOpen), [true, true]);
    yield* Deferred.succeed(answer, undefined);
    yield* Fiber.join(slow);
    assert.deepEqual(made.map(({ isOpen }) => isOpen), [false, true]);
  })));

Deno.test("what was replaced is closed with the rest, and when nobody waits any more", () =>
  inTestTime(Effect.gen(function* () {
    const { made, connect } = connections(10_000);
    const scope = yield* Scope.make();
    const brokers = yield* Scope.provide(
      Brokers.make(connect, settingsFor([address]), new Map([[1, address]])),
      scope,
    );
    const slow = brokers.ask(1, (one) => one.metadata(["slow"]));
    const [first, second] = [yield* Effect.forkChild(slow), yield* Effect.forkChild(slow)];
    yield* TestClock.adjust(9_000);
    yield* brokers.ask(1, (one) => one.metadata(["any"]));
    yield* Fiber.interrupt(first);
    assert.deepEqual(made.map(({ isOpen }) => isOpen), [true, true]);
    yield* Fiber.interrupt(second);
    assert.deepEqual(made.map(({ isOpen }) => isOpen), [false, true]);
    yield* Effect.forkChild(slow);
    yield* TestClock.adjust(9_000);
    yield* brokers.ask(1, (one) => one.metadata(["any"]));
    assert.deepEqual(made.map(({ isOpen }) => isOpen), [false, true, true]);
    yield* Scope.close(scope, Exit.void);
    assert.deepEqual(made.map(({ isOpen }) => isOpen), [false, false, false]);
  })));

Deno.test("a connection without an end to its session stays", () =>
  inTestTime(Effect.gen(function* () {
    const { made, connect } = connections(Infinity);
    const brokers = yield* Brokers.make(connect, settingsFor([address]), new Map([[1, address]]));
    for (let day = 0; day < 3; day++) {
      yield* brokers.ask(1, (one) => one.metadata(["any"]));
      yield* TestClock.adjust("1 day");
    }
    assert.deepEqual(made.map(({ isOpen, asked }) => [isOpen, asked]), [[true, 3]]);
  })));

const missing = await missingBroker("tests of sessions that end");

Deno.test(
  "a broker that lets us in for four seconds: reading and writing go on",
  { ignore: missing !== null },
  async () => {
    const sessions = 3;
    const lifeMillis = 4_000;
    await using guarded = await startBroker({
      security: "sasl",
      settings: { "connections.max.reauth.ms": `${lifeMillis}` },
    });
    const { brokers } = guarded;
    const sasl = { mechanism: "scram-sha-256", username: "admin", password: "admin-secret" } as const;
    await Promise.all(
      [kafkajs, platformatic].map((provider) =>
        Effect.runPromise(Effect.scoped(Effect.gen(function* () {
          const client = yield* provider.open(settingsFor(brokers, { sasl }));
          const topic = provider === kafkajs ? "kafkajs" : "platformatic";
          yield* client.createTopic(topic, 1);
          yield* eventually(client.topics([topic]), (found) => found.has(topic));
          const producer = yield* client.idempotentProducer({ compression: "none" });
          const inTransactions = yield* transactional(client, topic);
          const until = performance.now() + (sessions + 0.5) * lifeMillis;
          let sent = 0;
          let failures = 0;
          while (performance.now() < until) {
            const attempt = Effect.gen(function* () {
              yield* producer.send([record(topic, `${sent}`)]);
              yield* Effect.scoped(Effect.gen(function* () {
                const transaction = yield* inTransactions.begin;
                yield* transaction.send([record(topic, `${sent}`)]);
                yield* transaction.commit;
              }));
              return yield* client.offsets(topic, [0], "latest", "read_committed");
            });
            if ((yield* Effect.result(attempt))._tag === "Failure") failures++;
            sent++;
            yield* Effect.sleep(20);
          }
          // A machine that stands still for a second lets one of them end. Each would if nothing were done.
          assert.ok(failures <= 1, `${provider.name}: ${failures} failures among ${sent}`);
        })))
      ),
    );
  },
);
