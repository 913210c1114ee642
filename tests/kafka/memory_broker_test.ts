/** The broker in memory: what a job on Kafka may expect of a real one, and what tests may do to it. */
import assert from "node:assert/strict";
import { Effect, Fiber, type Scope } from "effect";
import fc from "fast-check";
import type {
  ClientSettings,
  FetchRequest,
  KafkaClient,
  KafkaFetcher,
  KafkaTransaction,
  OutgoingRecord,
} from "../../src/kafka/client.ts";
import { clientCodes, type KafkaError } from "../../src/kafka/errors.ts";
import { batchBytes } from "../../src/kafka/memory/batch-bytes.ts";
import type { BrokerRequest, RequestFate } from "../../src/kafka/memory/connection.ts";
import { type MemoryBroker, memoryBroker, type MemoryBrokerOptions } from "../../src/kafka/memory/memory-broker.ts";
import { visibleRecords } from "../../src/kafka/visible.ts";
import { pass, settle, withTestClock } from "../timeline.ts";
import { portContract } from "./port_contract.ts";

portContract(memoryBroker(), () => ["127.0.0.1:9092"], false);

const settings: ClientSettings = {
  brokers: ["127.0.0.1:9092"],
  clientId: "test",
  sasl: null,
  tls: null,
  connectMillisMax: 1_000,
  requestMillisMax: 1_000,
  responseBytesMax: 1_000_000,
  batchBytesMax: 1_000_000,
};

const utf8 = new TextEncoder();
const text = (bytes: Uint8Array | null): string | null => bytes === null ? null : new TextDecoder().decode(bytes);

const to = (topic: string, partition: number, value: string, timestamp = 0): OutgoingRecord => ({
  topic,
  partition,
  timestamp,
  key: null,
  value: utf8.encode(value),
  headers: [],
});

/** Runs a test with a client of a broker that has the topic `t` with two partitions. */
const spec = (
  name: string,
  body: (broker: MemoryBroker, client: KafkaClient) => Effect.Effect<void, KafkaError, Scope.Scope>,
  options: MemoryBrokerOptions = {},
): void =>
  Deno.test(name, () =>
    withTestClock(Effect.scoped(Effect.gen(function* () {
      const broker = memoryBroker({ topics: { t: 2 }, ...options });
      yield* body(broker, yield* broker.open(settings));
    }))));

const producerOf = (client: KafkaClient, transactionalId = "p", timeoutMillis = 60_000) =>
  client.transactionalProducer({ transactionalId, timeoutMillis, compression: "none" });

/** What a reader of the topic `t` is shown, as `partition/offset=value`. */
const shown = (broker: MemoryBroker, isolation: FetchRequest["isolation"] = "read_committed"): string =>
  broker.records("t", { isolation }).map(({ partition, offset, value }) => `${partition}/${offset}=${text(value)}`)
    .join(" ");

const ask = (partition: number, offset: number, changes: Partial<FetchRequest> = {}): FetchRequest => ({
  leader: 0,
  partitions: [{ topic: "t", partition, offset }],
  isolation: "read_committed",
  waitMillisMax: 0,
  bytesMax: 1_000_000,
  partitionBytesMax: 1_000_000,
  ...changes,
});

/** What one fetch of a partition shows, and where to read on. */
const fetched = (fetcher: KafkaFetcher, request: FetchRequest) =>
  Effect.map(fetcher.fetch(request), ([answer]) => {
    const { records, nextOffset } = visibleRecords(answer, request.partitions[0].offset);
    return { values: records.map(({ value }) => text(value)), nextOffset, answer };
  });

/** The error with which something fails. */
const errorOf = <A, R>(what: Effect.Effect<A, KafkaError, R>): Effect.Effect<KafkaError, never, R> =>
  Effect.match(what, { onFailure: (error) => error, onSuccess: () => assert.fail("it should have failed") });

/** The code with which something fails, if it does. */
const codeOf = <A, R>(what: Effect.Effect<A, KafkaError, R>): Effect.Effect<string, never, R> =>
  Effect.match(what, { onFailure: ({ code }) => code, onSuccess: () => "it succeeded" });

/** Lets the first request of a kind have a fate, and all others succeed. */
const once = (api: BrokerRequest["api"], fate: RequestFate): (request: BrokerRequest) => RequestFate => {
  let isDue = true;
  return (request) => {
    if (!isDue || request.api !== api) return "ok";
    isDue = false;
    return fate;
  };
};

spec(
  "what a transaction writes is visible when it is committed, in all partitions at once",
  (broker, client) =>
    Effect.gen(function* () {
      const { begin } = yield* producerOf(client);
      const transaction = yield* begin;
      yield* transaction.send([to("t", 0, "a"), to("t", 1, "b"), to("t", 0, "c")]);
      assert.equal(shown(broker), "");
      assert.equal(shown(broker, "read_uncommitted"), "0/0=a 0/1=c 1/0=b");
      yield* transaction.commit;
      assert.equal(shown(broker), "0/0=a 0/1=c 1/0=b");
      // The marker has taken an offset.
      assert.equal(broker.append("t", 0, { value: "d" }), 3);
    }),
);

spec(
  "what a transaction writes is never visible when it is aborted, and its marker takes an offset",
  (broker, client) =>
    Effect.gen(function* () {
      const { begin } = yield* producerOf(client);
      const aborted = yield* begin;
      yield* aborted.send([to("t", 0, "a")]);
      yield* aborted.abort;
      const committed = yield* begin;
      yield* committed.send([to("t", 0, "b")]);
      yield* committed.commit;
      assert.equal(shown(broker), "0/2=b");
      const { values, nextOffset, answer } = yield* fetched(yield* client.fetcher, ask(0, 0));
      assert.deepEqual(values, ["b"]);
      assert.equal(nextOffset, 4);
      assert.deepEqual(answer.aborted, [{ producerId: answer.batches[0].producerId, firstOffset: 0 }]);
      assert.deepEqual(answer.batches.map(({ control }) => control), [null, "abort", null, "commit"]);
    }),
);

spec(
  "an open transaction holds back what others commit behind it, up to the last stable offset",
  (broker, client) =>
    Effect.gen(function* () {
      const fetcher = yield* client.fetcher;
      const open = yield* (yield* producerOf(client)).begin;
      broker.append("t", 0, { value: "before" });
      yield* open.send([to("t", 0, "open")]);
      broker.append("t", 0, { value: "behind" });
      const first = yield* fetched(fetcher, ask(0, 0));
      assert.deepEqual(first.values, ["before"]);
      assert.deepEqual([first.answer.lastStableOffset, first.answer.highWatermark], [1, 3]);
      const all = yield* fetched(fetcher, ask(0, 0, { isolation: "read_uncommitted" }));
      assert.deepEqual(all.values, ["before", "open", "behind"]);
      assert.deepEqual(all.answer.aborted, []);
      assert.deepEqual([...yield* client.offsets("t", [0], "latest", "read_committed")], [[0, 1]]);
      assert.deepEqual([...yield* client.offsets("t", [0], "latest", "read_uncommitted")], [[0, 3]]);
      yield* open.abort;
      assert.deepEqual((yield* fetched(fetcher, ask(0, 1))).values, ["behind"]);
    }),
);

spec(
  "a new producer of an id ends what the old one left open, and shuts it out",
  (broker, client) =>
    Effect.gen(function* () {
      const zombie = yield* broker.open(settings);
      const old = yield* producerOf(zombie);
      const left = yield* old.begin;
      yield* left.send([to("t", 0, "left open")]);
      const young = yield* producerOf(client);
      assert.equal(shown(broker), "");
      assert.deepEqual([...yield* client.offsets("t", [0], "latest", "read_committed")], [[0, 2]]);
      assert.equal(yield* codeOf(left.send([to("t", 0, "late")])), "INVALID_PRODUCER_EPOCH");
      const next = yield* young.begin;
      yield* next.send([to("t", 0, "new")]);
      yield* next.commit;
      assert.equal(shown(broker), "0/2=new");
    }),
);

const refusals: ReadonlyArray<
  readonly [what: string, does: (of: KafkaTransaction) => Effect.Effect<void, KafkaError>]
> = [
  ["commit", (of) => of.commit],
  ["abort", (of) => of.abort],
  ["a partition more", (of) => of.send([to("t", 1, "late")])],
  ["offsets", (of) => of.sendOffsets({ group: "g", member: null, offsets: [] })],
];

for (const [name, refused] of refusals) {
  spec(`a producer that was shut out is told so: ${name}`, (_, client) =>
    Effect.gen(function* () {
      const transaction = yield* (yield* producerOf(client)).begin;
      yield* transaction.send([to("t", 0, "a")]);
      yield* producerOf(client);
      assert.equal(yield* codeOf(refused(transaction)), "PRODUCER_FENCED");
    }));
}

spec(
  "a transaction whose time is over is aborted, and its rightful owner is shut out too",
  (broker, client) =>
    Effect.gen(function* () {
      const transaction = yield* (yield* producerOf(client)).begin;
      const idle = yield* (yield* producerOf(client, "idle")).begin;
      yield* transaction.send([to("t", 0, "a")]);
      broker.timeOutTransactions();
      assert.equal(shown(broker), "");
      assert.equal(yield* codeOf(transaction.commit), "PRODUCER_FENCED");
      yield* idle.send([to("t", 0, "b")]);
      yield* idle.commit;
      assert.equal(shown(broker), "0/2=b");
      assert.equal(yield* codeOf(producerOf(client, "long", 900_001)), "INVALID_TRANSACTION_TIMEOUT");
    }),
);

spec("offsets of a group are committed with the records, or not at all", (broker, client) =>
  Effect.gen(function* () {
    const { begin } = yield* producerOf(client);
    for (const outcome of ["abort", "commit"] as const) {
      const transaction = yield* begin;
      yield* transaction.send([to("t", 0, outcome)]);
      yield* transaction.sendOffsets({ group: "g", member: null, offsets: [{ topic: "t", partition: 1, offset: 7 }] });
      assert.deepEqual(broker.offsetsOf("g"), []);
      yield* transaction[outcome];
    }
    assert.equal(shown(broker), "0/2=commit");
    assert.deepEqual(broker.offsetsOf("g"), [{ topic: "t", partition: 1, offset: 7 }]);
    assert.deepEqual([...yield* client.committed("g", "t", [0, 1])], [[1, 7]]);
    assert.deepEqual([...yield* client.committed("nobody", "t", [0, 1])], []);
  }));

spec(
  "a group forgets what it has committed when it expires, or when the topic is deleted",
  (broker, client) =>
    Effect.gen(function* () {
      broker.createTopic("other", 1);
      const offsets = [{ topic: "t", partition: 0, offset: 1 }, { topic: "other", partition: 0, offset: 2 }];
      yield* client.commit("g", offsets);
      assert.deepEqual(broker.offsetsOf("g"), offsets.toReversed());
      broker.deleteTopic("t");
      assert.deepEqual(broker.offsetsOf("g"), [offsets[1]]);
      broker.expireGroup("g");
      assert.deepEqual(broker.offsetsOf("g"), []);
      assert.equal(yield* codeOf(client.commit("g", offsets)), "UNKNOWN_TOPIC_OR_PARTITION");
    }),
);

spec(
  "offsets of a transaction are lost with the topic that is deleted meanwhile",
  (broker, client) =>
    Effect.gen(function* () {
      const transaction = yield* (yield* producerOf(client)).begin;
      yield* transaction.sendOffsets({ group: "g", member: null, offsets: [{ topic: "t", partition: 0, offset: 1 }] });
      broker.deleteTopic("t");
      broker.createTopic("t", 1);
      yield* transaction.commit;
      assert.deepEqual(broker.offsetsOf("g"), []);
    }),
);

spec("a member of a group is refused, as groups have none", (_, client) =>
  Effect.gen(function* () {
    const { begin } = yield* producerOf(client);
    const offsets = [{ topic: "t", partition: 0, offset: 1 }];
    const asMember = { group: "g", member: { id: "m", generation: 1 }, offsets };
    assert.equal(yield* codeOf((yield* begin).sendOffsets(asMember)), "ILLEGAL_GENERATION");
    yield* client.commit("g", offsets);
    const other = yield* producerOf(client);
    assert.equal(yield* codeOf((yield* other.begin).sendOffsets(asMember)), "UNKNOWN_MEMBER_ID");
  }));

spec(
  "what retention has deleted is out of range, and so is what was never written",
  (broker, client) =>
    Effect.gen(function* () {
      const fetcher = yield* client.fetcher;
      const producer = yield* client.idempotentProducer({ compression: "none" });
      yield* producer.send(["a", "b", "c"].map((value) => to("t", 0, value)));
      broker.append("t", 0, { value: "d" });
      broker.deleteRecordsBefore("t", 0, 2);
      assert.equal(shown(broker), "0/2=c 0/3=d");
      assert.deepEqual([...yield* client.offsets("t", [0], "earliest", "read_committed")], [[0, 2]]);
      for (const offset of [1, 5]) {
        assert.deepEqual(yield* fetcher.fetch(ask(0, offset)), [{
          topic: "t",
          partition: 0,
          error: "OFFSET_OUT_OF_RANGE",
          highWatermark: -1,
          lastStableOffset: -1,
          logStartOffset: -1,
          aborted: [],
          batches: [],
        }]);
      }
      // The batch is given whole: its first records lie before what was asked for.
      const { answer, values } = yield* fetched(fetcher, ask(0, 2));
      assert.deepEqual(answer.batches[0].records.map(({ offset }) => offset), [0, 1, 2]);
      assert.deepEqual(values, ["c", "d"]);
      assert.equal(answer.logStartOffset, 2);
      broker.deleteRecordsBefore("t", 0, 4);
      assert.deepEqual((yield* fetched(fetcher, ask(0, 4))).values, []);
      assert.throws(() => broker.deleteRecordsBefore("t", 0, 5), { code: "OFFSET_OUT_OF_RANGE" });
    }),
);

spec(
  "a time finds the first record that is not before it, and else the end",
  (broker, client) =>
    Effect.gen(function* () {
      for (const timestamp of [10, 30, 20, 40]) broker.append("t", 0, { value: "", timestamp });
      const { begin } = yield* producerOf(client);
      yield* (yield* begin).send([to("t", 0, "open", 50)]);
      const at = (timestamp: number, isolation: FetchRequest["isolation"] = "read_committed") =>
        Effect.map(client.offsets("t", [0], { timestamp }, isolation), (offsets) => offsets.get(0));
      assert.deepEqual(yield* Effect.all([at(0), at(20), at(31), at(41)]), [0, 1, 3, 4]);
      assert.deepEqual(yield* Effect.all([at(41, "read_uncommitted"), at(51, "read_uncommitted")]), [4, 5]);
      broker.deleteRecordsBefore("t", 0, 2);
      assert.equal(yield* at(0), 2);
    }),
);

spec("topics are made once, described, and deleted", (broker, client) =>
  Effect.gen(function* () {
    yield* client.createTopic("made", 3);
    yield* client.createTopic("made", 5);
    const described = yield* client.topics(["made", "absent", "t"]);
    assert.deepEqual([...described], [["made", { id: "topic-2", partitions: 3 }], ["t", {
      id: "topic-1",
      partitions: 2,
    }]]);
    assert.equal(yield* client.batchBytesMax("made"), 1_048_588);
    broker.append("made", 2, { value: "a" });
    broker.deleteTopic("made");
    broker.createTopic("made", 3);
    assert.deepEqual(broker.records("made"), []);
    assert.equal(yield* codeOf(client.createTopic("no/name", 1)), "INVALID_TOPIC_EXCEPTION");
    assert.equal(yield* codeOf(client.createTopic("none", 0)), "INVALID_PARTITIONS");
    const missing = yield* errorOf(client.offsets("absent", [0], "latest", "read_committed"));
    assert.deepEqual([missing.code, missing.retryable], ["UNKNOWN_TOPIC_OR_PARTITION", false]);
    assert.equal(yield* codeOf(client.batchBytesMax("absent")), "UNKNOWN_TOPIC_OR_PARTITION");
    const { answer } = yield* fetched(yield* client.fetcher, ask(2, 0));
    assert.equal(answer.error, "UNKNOWN_TOPIC_OR_PARTITION");
    assert.throws(() => memoryBroker({ brokers: 0 }), RangeError);
  }));

spec(
  "a batch that is too large is refused, and the partitions beside it are written",
  (broker, client) =>
    Effect.gen(function* () {
      const producer = yield* client.idempotentProducer({ compression: "none" });
      const large = [to("t", 0, "x".repeat(40)), to("t", 0, "y".repeat(40))];
      assert.equal(batchBytes(large), 61 + 2 * (7 + 40));
      assert.equal(yield* codeOf(producer.send([...large, to("t", 1, "small")])), "MESSAGE_TOO_LARGE");
      assert.equal(shown(broker), "1/0=small");
      yield* producer.send([large[0]]);
      assert.throws(() => broker.append("t", 0, { value: "x".repeat(99) }), { code: "MESSAGE_TOO_LARGE" });
    }),
  { batchBytesMax: 150 },
);

spec(
  "a fetch gives about as many bytes as are wanted, and at least one batch of one partition",
  (broker, client) =>
    Effect.gen(function* () {
      const fetcher = yield* client.fetcher;
      for (const partition of [0, 1]) for (const value of ["a", "b", "c"]) broker.append("t", partition, { value });
      const bytes = batchBytes([to("t", 0, "a")]);
      const lengths = (changes: Partial<FetchRequest>) =>
        Effect.map(
          fetcher.fetch(
            ask(0, 0, { partitions: [0, 1].map((partition) => ({ topic: "t", partition, offset: 0 })), ...changes }),
          ),
          (answers) => answers.map(({ batches }) => batches.length),
        );
      assert.deepEqual(yield* lengths({}), [3, 3]);
      assert.deepEqual(yield* lengths({ partitionBytesMax: 2 * bytes }), [2, 2]);
      assert.deepEqual(yield* lengths({ bytesMax: 4 * bytes }), [3, 1]);
      assert.deepEqual(yield* lengths({ bytesMax: 1 }), [1, 0]);
      assert.deepEqual(yield* lengths({ partitionBytesMax: 1 }), [1, 0]);
      const careful = yield* (yield* broker.open({ ...settings, batchBytesMax: bytes - 1 })).fetcher;
      assert.equal(yield* codeOf(careful.fetch(ask(0, 0))), clientCodes.tooLarge);
    }),
);

spec("brokers lead partitions in turn, and do not answer for another", (broker, client) =>
  Effect.gen(function* () {
    const fetcher = yield* client.fetcher;
    broker.createTopic("wide", 5);
    const leaders = yield* fetcher.leaders(["wide", "absent"]);
    assert.deepEqual([...leaders].map(([topic, of]) => [topic, [...of.leaders.values()]]), [["wide", [0, 1, 2, 0, 1]]]);
    assert.equal((yield* fetched(fetcher, ask(1, 0))).answer.error, "NOT_LEADER_OR_FOLLOWER");
    assert.equal((yield* fetched(fetcher, ask(1, 0, { leader: 1 }))).answer.error, null);
  }), { brokers: 3 });

spec("a fetch that finds nothing waits as long as it may", (_, client) =>
  Effect.gen(function* () {
    const fetcher = yield* client.fetcher;
    const waiting = yield* Effect.forkChild(fetched(fetcher, ask(0, 0, { waitMillisMax: 500 })));
    yield* pass(499);
    assert.equal(waiting.pollUnsafe(), undefined);
    yield* pass(1);
    assert.deepEqual((yield* Fiber.join(waiting)).values, []);
  }));

for (const isolation of ["read_committed", "read_uncommitted"] as const) {
  spec(
    `a fetch that waits is woken at once by what it is to be shown: ${isolation}`,
    (broker, client) =>
      Effect.gen(function* () {
        const fetcher = yield* client.fetcher;
        yield* (yield* (yield* producerOf(client)).begin).send([to("t", 0, "open")]);
        const from = isolation === "read_committed" ? 0 : 1;
        const request = ask(0, from, { isolation, waitMillisMax: 60_000 });
        const waiting = yield* Effect.forkChild(fetched(fetcher, request));
        yield* settle;
        broker.append("t", 1, { value: "elsewhere" });
        yield* settle;
        assert.equal(waiting.pollUnsafe(), undefined);
        broker.append("t", 0, { value: "behind" });
        yield* settle;
        if (isolation === "read_committed") {
          assert.equal(waiting.pollUnsafe(), undefined);
          broker.timeOutTransactions();
        }
        assert.deepEqual((yield* Fiber.join(waiting)).values, ["behind"]);
      }),
  );
}

interface Woken {
  readonly broker: MemoryBroker;
  readonly client: KafkaClient;
  readonly open: KafkaTransaction;
}

const wakes: ReadonlyArray<
  readonly [what: string, does: (of: Woken) => Effect.Effect<unknown, KafkaError, Scope.Scope>, shown: Array<string>]
> = [
  ["the commit of a transaction", ({ open }) => open.commit, ["open", "behind"]],
  ["a producer that is initialised", ({ client }) => producerOf(client), ["behind"]],
  ["the deletion of the topic", ({ broker }) => Effect.sync(() => broker.deleteTopic("t")), []],
];

for (const [what, does, shown] of wakes) {
  spec(`a fetch that waits is woken by ${what}`, (broker, client) =>
    Effect.gen(function* () {
      const fetcher = yield* client.fetcher;
      const open = yield* (yield* producerOf(client)).begin;
      yield* open.send([to("t", 0, "open")]);
      const waiting = yield* Effect.forkChild(fetched(fetcher, ask(0, 0, { waitMillisMax: 60_000 })));
      yield* (yield* client.idempotentProducer({ compression: "none" })).send([to("t", 0, "behind")]);
      yield* settle;
      yield* does({ broker, client, open });
      const { values, answer } = yield* Fiber.join(waiting);
      assert.deepEqual(values, shown);
      assert.equal(answer.error, shown.length === 0 ? "UNKNOWN_TOPIC_OR_PARTITION" : null);
    }));
}

spec("a fetch that waits is woken by what a producer writes", (_, client) =>
  Effect.gen(function* () {
    const waiting = yield* Effect.forkChild(fetched(yield* client.fetcher, ask(0, 0, { waitMillisMax: 60_000 })));
    yield* settle;
    yield* (yield* client.idempotentProducer({ compression: "none" })).send([to("t", 0, "a")]);
    assert.deepEqual((yield* Fiber.join(waiting)).values, ["a"]);
  }));

spec("a transaction does not write to a topic that was made anew", (broker, client) =>
  Effect.gen(function* () {
    const transaction = yield* (yield* producerOf(client)).begin;
    yield* transaction.send([to("t", 0, "old")]);
    broker.deleteTopic("t");
    broker.createTopic("t", 1);
    assert.equal(yield* codeOf(transaction.send([to("t", 0, "new")])), "INVALID_TXN_STATE");
    broker.timeOutTransactions();
    assert.deepEqual([...yield* client.offsets("t", [0], "latest", "read_uncommitted")], [[0, 0]]);
  }));

spec(
  "a commit that is lost on its way is not applied, and one whose answer is lost is",
  (broker, client) =>
    Effect.gen(function* () {
      for (const [fate, expected] of [["lost", ""], ["applied", "0/2=applied"]] as const) {
        broker.onRequest(once("EndTxn", fate));
        const transaction = yield* (yield* producerOf(client)).begin;
        yield* transaction.send([to("t", 0, fate)]);
        const error = yield* errorOf(transaction.commit);
        assert.deepEqual([error.code, error.retryable], [clientCodes.noConnection, true]);
        assert.match(error.message, /^Cannot ask 127\.0\.0\.1:9092 for EndTxn as .*: current value is NO_CONNECTION$/);
        yield* producerOf(client);
        assert.equal(shown(broker), expected);
      }
    }),
);

spec("any request of any client can fail", (broker, client) =>
  Effect.gen(function* () {
    const other = yield* broker.open(settings);
    const seen: Array<string> = [];
    broker.onRequest(({ api, client }) => {
      seen.push(`${client}:${api}`);
      return client === 1 ? { error: "COORDINATOR_NOT_AVAILABLE" } : "ok";
    });
    const refusal = yield* errorOf(other.committed("g", "t", [0]));
    assert.deepEqual([refusal.code, refusal.retryable], ["COORDINATOR_NOT_AVAILABLE", true]);
    assert.equal((yield* fetched(yield* other.fetcher, ask(0, 0))).answer.error, "COORDINATOR_NOT_AVAILABLE");
    const transaction = yield* (yield* producerOf(client)).begin;
    yield* transaction.send([to("t", 0, "a")]);
    yield* transaction.send([to("t", 0, "b")]);
    yield* transaction.sendOffsets({ group: "g", member: null, offsets: [] });
    yield* transaction.commit;
    assert.deepEqual(seen, [
      "1:OffsetFetch",
      "1:Fetch",
      "0:InitProducerId",
      "0:AddPartitionsToTxn",
      "0:Produce",
      "0:Produce",
      "0:AddOffsetsToTxn",
      "0:TxnOffsetCommit",
      "0:EndTxn",
    ]);
    for (const fate of ["lost", "applied"] as const) {
      broker.onRequest(once("Fetch", fate));
      assert.equal(yield* codeOf((yield* client.fetcher).fetch(ask(0, 0))), clientCodes.noConnection);
    }
    broker.onRequest(once("Metadata", { error: "NO_SUCH_ERROR" }));
    const exit = yield* Effect.exit(client.topics([]));
    assert.match(String(exit), /Kafka has no error of that name: current value is NO_SUCH_ERROR/);
  }));

spec("a transaction that has written nothing ends without a request", (broker, client) =>
  Effect.gen(function* () {
    const { begin } = yield* producerOf(client);
    broker.onRequest(() => "lost");
    const empty = yield* begin;
    yield* empty.send([]);
    yield* empty.commit;
    yield* (yield* begin).abort;
  }));

spec(
  "a transaction does one thing at a time, and nothing after one has failed",
  (broker, client) =>
    Effect.gen(function* () {
      const { begin } = yield* producerOf(client);
      const transaction = yield* begin;
      assert.equal(yield* codeOf(begin), clientCodes.client);
      const both = yield* Effect.all([
        codeOf(transaction.send([to("t", 0, "a")])),
        codeOf(transaction.send([to("t", 0, "b")])),
      ], { concurrency: 2 });
      assert.deepEqual(both, ["it succeeded", clientCodes.client]);
      broker.onRequest(once("Produce", "lost"));
      assert.equal(yield* codeOf(transaction.send([to("t", 0, "c")])), clientCodes.noConnection);
      for (const after of [transaction.send([]), transaction.commit, transaction.abort]) {
        assert.equal(yield* codeOf(after), clientCodes.client);
      }
      assert.equal(yield* codeOf(begin), clientCodes.client);
    }),
);

spec("what was opened in a scope is of no use behind it", (broker) =>
  Effect.gen(function* () {
    const client = yield* Effect.scoped(broker.open(settings));
    assert.equal(yield* codeOf(client.topics(["t"])), clientCodes.client);
  }));

spec(
  "nobody changes what is stored through the bytes that were given or received",
  (broker, client) =>
    Effect.gen(function* () {
      const bytes = utf8.encode("stored");
      const record: OutgoingRecord = { ...to("t", 0, ""), key: bytes, value: bytes, headers: [["h", bytes]] };
      yield* (yield* client.idempotentProducer({ compression: "none" })).send([record]);
      broker.append("t", 0, { value: bytes });
      bytes.fill(0);
      const fetcher = yield* client.fetcher;
      for (let k = 0; k < 2; k++) {
        const answers = yield* fetcher.fetch(ask(0, 0));
        const [first, second] = answers[0].batches.flatMap(({ records }) => records);
        for (const part of [first.key, first.value, first.headers[0][1], second.value]) {
          assert.equal(text(part), "stored");
          part?.fill(0);
        }
        broker.records("t")[0].value?.fill(0);
      }
    }),
);

interface Step {
  readonly producer: number;
  readonly does: "send" | "commit" | "abort" | "initialise" | "time out" | "append" | "delete";
  readonly partition: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  producer: fc.integer({ min: 0, max: 2 }),
  does: fc.constantFrom("send", "send", "send", "commit", "abort", "initialise", "time out", "append", "delete"),
  partition: fc.integer({ min: 0, max: 1 }),
});

/** Everything that a reader sees of a partition who begins at an offset and asks for few bytes at a time. */
const readAll = (fetcher: KafkaFetcher, partition: number, from: number) =>
  Effect.gen(function* () {
    const values: Array<string | null> = [];
    for (let offset = from;;) {
      const { values: more, nextOffset } = yield* fetched(fetcher, ask(partition, offset, { bytesMax: 200 }));
      values.push(...more);
      if (nextOffset === offset) return values;
      offset = nextOffset;
    }
  });

/** Carries steps out, and gives what readers of each partition read, with what they should. */
const carryOut = (steps: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const broker = memoryBroker({ topics: { t: 2 } });
    const client = yield* broker.open(settings);
    const open = (id: number) => Effect.flatMap(producerOf(client, `p${id}`), ({ begin }) => begin);
    const transactions = yield* Effect.all([0, 1, 2].map(open));
    const sent: Array<Array<string>> = [[], [], []];
    const committed = new Set<string | null>();
    for (const [k, { producer, does, partition }] of steps.entries()) {
      const value = String(k);
      if (does === "append") {
        broker.append("t", partition, { value });
        committed.add(value);
      } else if (does === "delete") {
        const [stable] = (yield* client.offsets("t", [partition], "latest", "read_committed")).values();
        broker.deleteRecordsBefore("t", partition, stable >> 1);
      } else if (does === "send") {
        yield* transactions[producer].send([to("t", partition, value)]);
        sent[producer].push(value);
      } else {
        if (does === "time out") {
          broker.timeOutTransactions();
          const isShutOut = sent[producer].length > 0;
          assert.equal(yield* codeOf(transactions[producer].commit), isShutOut ? "PRODUCER_FENCED" : "it succeeded");
        }
        if (does === "abort") yield* transactions[producer].abort;
        if (does === "commit") {
          yield* transactions[producer].commit;
          for (const value of sent[producer]) committed.add(value);
        }
        for (const id of does === "time out" ? [0, 1, 2] : [producer]) {
          sent[id] = [];
          transactions[id] = yield* open(id);
        }
      }
    }
    for (const transaction of transactions) yield* transaction.abort;
    const fetcher = yield* client.fetcher;
    const starts = yield* client.offsets("t", [0, 1], "earliest", "read_committed");
    const read = yield* Effect.all([0, 1].map((partition) => readAll(fetcher, partition, starts.get(partition) ?? 0)));
    const left = broker.records("t", { isolation: "read_uncommitted" }).map(({ value, ...record }) => ({
      ...record,
      value: text(value),
    }));
    const expected = [0, 1].map((partition) =>
      left.filter((record) => record.partition === partition && committed.has(record.value)).map(({ value }) => value)
    );
    const direct = [0, 1].map((partition) =>
      broker.records("t").filter((record) => record.partition === partition).map(({ value }) => text(value))
    );
    return { read, expected, direct, left };
  });

Deno.test("readers see what was committed, in order, whatever producers do at the same time", () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async (steps) => {
      const seen = await Effect.runPromise(Effect.scoped(carryOut(steps)));
      assert.deepEqual(seen.read, seen.expected);
      assert.deepEqual(seen.direct, seen.expected);
      // The same steps have the same outcome, to the offset.
      assert.deepEqual(await Effect.runPromise(Effect.scoped(carryOut(steps))), seen);
    }),
    { numRuns: 60 },
  ));
