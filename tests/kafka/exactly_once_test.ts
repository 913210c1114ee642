/** Exactly once from topic to topic, whatever becomes of any request: on a broker in memory. */
import assert from "node:assert/strict";
import { Effect, Schedule } from "effect";
import { Job } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { memoryKv } from "../../src/testing/memory-kv.ts";
import { clusterOf, sumsJob, sumsOf, textsOf, writeOrders } from "./fixture.ts";

const partitions = 2;
const orders = 400;

const makeBroker = (): Kafka.MemoryBroker => {
  const broker = Kafka.memoryBroker({ topics: { orders: partitions, sums: 3 } });
  writeOrders(broker, "orders", partitions, 0, orders);
  return broker;
};

/** Runs the job to its end, over as many restarts as it takes. */
const run = (broker: Kafka.MemoryBroker): Promise<Job.JobSummary> =>
  Effect.runPromise(Job.run(sumsJob(clusterOf(broker)), {
    kv: memoryKv(),
    epochRecordsMax: 100,
    epochInterval: "20 millis",
    restart: Schedule.recurs(1_000),
  }));

const assertSums = (broker: Kafka.MemoryBroker, what: string): void =>
  assert.deepEqual(textsOf(broker, "sums").toSorted(), sumsOf(0, orders), what);

Deno.test("sums from topic to topic equal a recount", async () => {
  const broker = makeBroker();
  const { outcome, metrics } = await run(broker);
  assert.equal(outcome, "ended");
  assert.deepEqual(metrics.splits.map(({ split, lag, ended }) => ({ split, lag, ended })), [
    { split: "orders-0", lag: 0, ended: true },
    { split: "orders-1", lag: 0, ended: true },
  ]);
  assertSums(broker, "calm");
});

Deno.test("whatever becomes of any one request, each sum is there once", async () => {
  // How many requests of each kind there are where nothing goes wrong.
  const calm = makeBroker();
  const counts = new Map<Kafka.BrokerApi, number>();
  calm.onRequest(({ api }) => {
    counts.set(api, (counts.get(api) ?? 0) + 1);
    return "ok";
  });
  await run(calm);
  const kinds = [
    "InitProducerId",
    "AddPartitionsToTxn",
    "Produce",
    "AddOffsetsToTxn",
    "TxnOffsetCommit",
    "EndTxn",
  ] as const;
  for (const api of kinds) assert.ok(counts.get(api)! > 0, api);

  for (const [api, count] of counts) {
    for (let wanted = 1; wanted <= Math.min(count, 6); wanted++) {
      for (const fate of ["lost", "applied", { error: "PRODUCER_FENCED" }, { error: "NOT_COORDINATOR" }] as const) {
        const isOfProducer = (kinds as ReadonlyArray<string>).includes(api);
        if (typeof fate === "object" && fate.error === "PRODUCER_FENCED" && !isOfProducer) continue;
        const broker = makeBroker();
        let seen = 0;
        broker.onRequest((request) => request.api === api && ++seen === wanted ? fate : "ok");
        await run(broker);
        assert.ok(seen >= wanted, `${api} ${wanted} was made`);
        assertSums(broker, `${api} ${wanted}: ${JSON.stringify(fate)}`);
      }
    }
  }
});

Deno.test("with a tenth of all requests gone wrong, each sum is there once", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const broker = makeBroker();
    let state = seed * 7_919;
    broker.onRequest(() => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      const draw = Math.floor(state / 65_536) % 20;
      return draw === 0 ? "lost" : draw === 1 ? "applied" : "ok";
    });
    await run(broker);
    assertSums(broker, `seed ${seed}`);
  }
});
