/**
 * A job from topic to topics whose process is killed, with `kill -9`, at random times, and whose broker is stopped and killed
 * meanwhile. A `read_committed` consumer, KafkaJS's own, must then see each result exactly once, as a recount has it.
 */
import assert from "node:assert/strict";
import { createTopic } from "./broker/admin.ts";
import { startBroker } from "./broker/broker.ts";
import { missingBroker } from "./broker/test-broker.ts";
import { expectedTotals, expectedWindows } from "./kills/orders.ts";
import { valuesOf, writeOrders } from "./kills/topics.ts";

const root = decodeURIComponent(new URL("../../", import.meta.url).pathname);
const missing = await missingBroker("jobs that are killed");

/** Chance that the seed decides. */
const chance = (seed: number) => (): number => {
  seed = Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x6d2b79f5 | 0;
  return ((seed ^ (seed >>> 13)) >>> 0) / 2 ** 32;
};

interface Attack {
  readonly client: "kafkajs" | "platformatic";
  readonly records: number;
  readonly kills: number;
  readonly epochRecords: number;
  readonly seed: number;
}

const attack = async ({ client, records, kills, epochRecords, seed }: Attack): Promise<void> => {
  const random = chance(seed);
  await using broker = await startBroker();
  const folder = await Deno.makeTempDir();
  await createTopic(broker, "orders", { partitions: 8 });
  await createTopic(broker, "windows", { partitions: 4 });
  await createTopic(broker, "totals", { partitions: 4 });
  await writeOrders(broker, records, 8);

  const start = (): Deno.ChildProcess =>
    new Deno.Command("deno", {
      args: [
        "run",
        "--quiet",
        "--no-prompt",
        "--no-check",
        "--cached-only",
        "--allow-net=127.0.0.1",
        // @platformatic/kafka lists its environment, and reads a part of itself from the cache of packages.
        "--ignore-env",
        "--allow-read",
        `--allow-write=${folder}`,
        `${root}tests/kafka/kills/job.ts`,
        broker.brokers.join(","),
        client,
        `${folder}/state.kv`,
        String(epochRecords),
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();

  let killed = 0;
  let inTheMiddle = 0;
  /** A broker that is stopped, or killed, comes back while jobs go on being started and killed. */
  let outage: Promise<void> = Promise.resolve();
  for (;;) {
    const child = start();
    const errors = new Response(child.stderr).text();
    const wanted = killed < kills;
    const timer = wanted
      ? setTimeout(() => {
        try {
          child.kill("SIGKILL");
        } catch (error) {
          if (!(error instanceof TypeError)) throw error; // It has just ended by itself.
        }
      }, 200 + random() * 700)
      : undefined;
    if (killed === Math.floor(kills / 3)) outage = outage.then(() => broker.stop()).then(() => broker.start());
    if (killed === Math.floor(2 * kills / 3)) outage = outage.then(() => broker.kill()).then(() => broker.start());
    const { code, signal } = await child.status;
    clearTimeout(timer);
    if (signal === "SIGKILL") {
      killed++;
      await errors;
      continue;
    }
    assert.equal(code, 0, await errors);
    const ending = await errors;
    assert.match(ending, /orders: (ended|had ended)/);
    if (!wanted || ending.includes("had ended")) break;
    inTheMiddle++;
  }
  await outage;
  assert.equal(killed, kills, `all kills came before the end (it ended ${inTheMiddle} times)`);
  assert.deepEqual((await valuesOf(broker, "windows")).toSorted(), expectedWindows(records));
  assert.deepEqual((await valuesOf(broker, "totals")).toSorted(), expectedTotals(records));
  await Deno.remove(folder, { recursive: true });
};

Deno.test("100 kills over 200,000 records and two outages of the broker: every result once, by KafkaJS", {
  ignore: missing !== null,
}, () => attack({ client: "kafkajs", records: 200_000, kills: 100, epochRecords: 400, seed: 1 }));

Deno.test("15 kills over 30,000 records and two outages of the broker: every result once, by @platformatic/kafka", {
  ignore: missing !== null,
}, () => attack({ client: "platformatic", records: 30_000, kills: 15, epochRecords: 400, seed: 2 }));
