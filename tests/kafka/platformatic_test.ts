/** The client port on @platformatic/kafka. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Effect } from "effect";
import { kafkajs } from "../../src/kafka/kafkajs/provider.ts";
import { platformatic } from "../../src/kafka/platformatic/provider.ts";
import { clientOf } from "./broker/admin.ts";
import { missingBroker, testBroker } from "./broker/test-broker.ts";
import { clientContract } from "./client_contract.ts";
import { eventually, failureOf, settingsFor, transactional } from "./port_contract.ts";

clientContract(platformatic, kafkajs);

const missing = await missingBroker("tests of the adapter for @platformatic/kafka");

Deno.test(
  `${platformatic.name}: offsets of a transaction are refused from a member whose time is over`,
  { ignore: missing !== null },
  async () => {
    await using broker = await testBroker();
    const { brokers } = broker;
    await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const client = yield* platformatic.open(settingsFor(brokers));
      const topic = `platformatic-${crypto.randomUUID()}`;
      yield* client.createTopic(topic, 1);
      yield* eventually(client.topics([topic]), (found) => found.has(topic));
      const consumer = clientOf({ brokers }).consumer({ groupId: topic });
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
      assert.equal((yield* failureOf(commitAs("somebody else", 1))).code, "UNKNOWN_MEMBER_ID");
      assert.equal((yield* failureOf(commitAs(member, 0))).code, "ILLEGAL_GENERATION");
      yield* commitAs(member, 1);
      yield* eventually(client.committed(topic, topic, [0]), (found) => found.get(0) === 41);
    })));
  },
);

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
      return yield* failureOf(client.topics(["any"]));
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
