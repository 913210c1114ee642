/** Topics that are deleted and made anew, on a real broker: an offset of the one means nothing in the other. */
import assert from "node:assert/strict";
import { Cause, Effect, Exit } from "effect";
import { Flow, Job, Sink } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { memoryKv } from "../../src/testing/memory-kv.ts";
import { createTopic, deleteTopic } from "./broker/admin.ts";
import { startBroker } from "./broker/broker.ts";
import { missingBroker } from "./broker/test-broker.ts";
import { eventually, record, settingsFor } from "./port_contract.ts";

const missing = await missingBroker("tests of topics that are made anew");

Deno.test("a topic that was made anew is told from the one before it", { ignore: missing !== null }, async (t) => {
  await using broker = await startBroker();
  const { brokers, directory } = broker;

  /** The id of a topic that has records, as the broker has it on its disk; it writes it down in its own time. */
  const idOnDisk = async (topic: string): Promise<string> => {
    const path = `${directory}/data/${topic}-0/partition.metadata`;
    for (let n = 0; n < 500 && !await Deno.stat(path).then(() => true, () => false); n++) {
      await new Promise((done) => setTimeout(done, 20));
    }
    return /topic_id: (\S+)/.exec(await Deno.readTextFile(path))![1];
  };

  for (const provider of [Kafka.kafkajs, Kafka.platformatic]) {
    await t.step(provider.name, async () => {
      const topic = provider === Kafka.kafkajs ? "kafkajs" : "platformatic";
      const write = (from: number, to: number) =>
        Effect.runPromise(Effect.scoped(Effect.gen(function* () {
          const client = yield* provider.open(settingsFor(brokers));
          const producer = yield* client.idempotentProducer({ compression: "none" });
          for (let n = from; n < to; n++) yield* producer.send([record(topic, `${n}`)]);
        })));
      const idsOf = Effect.scoped(Effect.gen(function* () {
        const client = yield* provider.open(settingsFor(brokers));
        const fetcher = yield* client.fetcher;
        const found = yield* eventually(fetcher.leaders([topic]), (found) => found.get(topic)?.leaders.size === 1);
        return [(yield* client.topics([topic])).get(topic)!.id, found.get(topic)!.id];
      }));
      const out = Sink.memory<string>("out");
      const job = Job.make({
        name: "copy",
        guarantee: "exactly-once",
        flows: [
          Flow.from(Kafka.source("in", {
            cluster: Kafka.cluster({ brokers, client: provider }),
            topics: topic,
            value: Kafka.string(),
          })).pipe(Flow.onError("fail"), Flow.map(({ value }) => value), Flow.to(out)),
        ],
      });
      const kv = memoryKv();

      await createTopic({ brokers }, topic);
      await write(0, 3);
      const first = await idOnDisk(topic);
      assert.deepEqual(await Effect.runPromise(idsOf), [first, first]);
      await Effect.runPromise(Job.run(job, { kv, mode: "available-now" }));

      await deleteTopic({ brokers }, topic);
      await createTopic({ brokers }, topic);
      await write(10, 15);
      const second = await idOnDisk(topic);
      assert.notEqual(second, first);
      assert.deepEqual(await Effect.runPromise(idsOf), [second, second]);
      const exit = await Effect.runPromiseExit(Job.run(job, { kv, mode: "available-now" }));
      assert.ok(Exit.isFailure(exit));
      const error = Cause.squash(exit.cause) as Job.JobError;
      assert.ok(error._tag === "IncompatibleState", error.message);
      assert.deepEqual([error.stored, error.current], [first, second]);
      assert.deepEqual(out.values(), ["0", "1", "2"]);
    });
  }
});
