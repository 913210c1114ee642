/**
 * A job from topic to topics whose broker is hard to reach: a proxy between them delays, throttles, goes silent, breaks
 * connections in the middle of answers and refuses new ones, and the broker itself is killed. Every result must be there once.
 */
import assert from "node:assert/strict";
import { Effect, Schedule } from "effect";
import { Job } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { createTopic } from "./broker/admin.ts";
import { startBrokerBehindProxy } from "./broker/fault-proxy.ts";
import { missingBroker } from "./broker/test-broker.ts";
import { clients, ordersJob } from "./kills/job.ts";
import { expectedTotals, expectedWindows } from "./kills/orders.ts";
import { valuesOf, writeOrders } from "./kills/topics.ts";

const missing = await missingBroker("jobs whose broker is hard to reach");
const records = 30_000;

const sleep = (millis: number): Promise<void> => new Promise((done) => setTimeout(done, millis));

for (const client of ["kafkajs", "platformatic"] as const) {
  Deno.test(
    `with a network that fails in every way, and a broker that is killed, every result is there once: ${client}`,
    {
      ignore: missing !== null,
    },
    async () => {
      const { broker, proxy } = await startBrokerBehindProxy({ seed: 7 });
      const folder = await Deno.makeTempDir();
      try {
        await createTopic(broker, "orders", { partitions: 4 });
        await createTopic(broker, "windows", { partitions: 3 });
        await createTopic(broker, "totals", { partitions: 3 });
        await writeOrders(broker, records, 4);
        const cluster = Kafka.cluster({
          brokers: broker.brokers,
          client: clients[client],
          connectTimeout: "1 second",
          requestTimeout: "1 second",
          outageTimeout: "5 seconds",
        });
        let restarts = 0;
        let isOver = false;
        const running = Effect.runPromise(Job.run(ordersJob(cluster), {
          state: `${folder}/state.kv`,
          epochInterval: "50 millis",
          epochRecordsMax: 200,
          restart: Schedule.spaced("100 millis"),
          onRestart: () => restarts++,
        })).finally(() => isOver = true);
        const faults: ReadonlyArray<() => Promise<void> | void> = [
          () => proxy.delay(0, 20),
          () => void proxy.drop(),
          () => proxy.cutShare(0.05),
          async () => {
            proxy.drop();
            await proxy.refuse(true);
          },
          () => proxy.blackHole(true),
          () => proxy.throttle(200_000),
          async () => {
            await broker.kill();
            await broker.start();
          },
          () => void proxy.cutAfter(1_000),
        ];
        let faulted = 0;
        for (let k = 0; !isOver; k++) {
          await sleep(150);
          await faults[k % faults.length]();
          faulted++;
          // A silence is longer than a request may take.
          await sleep(k % faults.length === 4 ? 1_500 : 300);
          await proxy.heal();
        }
        const { outcome } = await running;
        assert.equal(outcome, "ended");
        assert.ok(faulted >= faults.length, `each fault came: ${faulted}, with ${restarts} restarts`);
        assert.deepEqual((await valuesOf(broker, "windows")).toSorted(), expectedWindows(records));
        assert.deepEqual((await valuesOf(broker, "totals")).toSorted(), expectedTotals(records));
      } finally {
        await proxy[Symbol.asyncDispose]();
        await broker[Symbol.asyncDispose]();
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}
