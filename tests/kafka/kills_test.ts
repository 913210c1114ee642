/**
 * A job from topic to topics whose process is killed, with `kill -9`, at random times, and whose broker is stopped and killed
 * meanwhile. A `read_committed` consumer, KafkaJS's own, must then see each result exactly once, as a recount has it.
 */
import assert from "node:assert/strict";
import { clientOf, createTopic } from "./broker/admin.ts";
import { type Broker, startBroker } from "./broker/broker.ts";
import { missingBroker } from "./broker/test-broker.ts";
import { expectedTotals, expectedWindows, orderOf } from "./kills/orders.ts";

const root = decodeURIComponent(new URL("../../", import.meta.url).pathname);
const missing = await missingBroker("jobs that are killed");

/** Chance that the seed decides. */
const chance = (seed: number) => (): number => {
  seed = Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x6d2b79f5 | 0;
  return ((seed ^ (seed >>> 13)) >>> 0) / 2 ** 32;
};

const writeOrders = async (broker: Broker, count: number, partitions: number): Promise<void> => {
  const kafka = clientOf(broker);
  const producer = kafka.producer({ createPartitioner: () => ({ message }) => Number(message.headers!.partition) });
  await producer.connect();
  for (let from = 0; from < count; from += 10_000) {
    const messages = Array.from({ length: Math.min(10_000, count - from) }, (_, k) => {
      const order = orderOf(from + k);
      const partition = Number(order.user.slice("user-".length)) % partitions;
      return { key: order.user, value: JSON.stringify(order), headers: { partition: String(partition) } };
    });
    await producer.sendBatch({ topicMessages: [{ topic: "orders", messages }] });
  }
  await producer.disconnect();
};

/** What a consumer of the library sees of a topic, from its beginning to its last stable end. */
const valuesOf = async (broker: Broker, topic: string): Promise<ReadonlyArray<string>> => {
  const kafka = clientOf(broker);
  const admin = kafka.admin();
  await admin.connect();
  const ends = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]));
  await admin.disconnect();
  const values: Array<string> = [];
  const consumer = kafka.consumer({ groupId: `reader-of-${topic}`, readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const left = new Set([...ends].filter(([, end]) => end > 0).map(([partition]) => partition));
  await new Promise<void>((done, failed) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => failed(payload.error));
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      if (Number(payload.lastOffset) + 1 >= ends.get(payload.partition)!) left.delete(payload.partition);
      if (left.size === 0) done();
    });
    void consumer.run({
      eachBatch: ({ batch }) => {
        for (const { value } of batch.messages) values.push(value!.toString());
        return Promise.resolve();
      },
    });
  });
  await consumer.disconnect();
  return values;
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
        `--allow-env=${kafkaEnv.join(",")}`,
        `--allow-read=${folder}`,
        `--allow-write=${folder}`,
        "--allow-sys=hostname",
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

/** What KafkaJS reads of the environment. */
const kafkaEnv = [
  "NODE_ENV",
  "KAFKAJS_NO_PARTITIONER_WARNING",
  "KAFKAJS_LOG_LEVEL",
  "KAFKAJS_DEBUG_PROTOCOL_BUFFERS",
  "KAFKAJS_DEBUG_EXTENDED_PROTOCOL_BUFFERS",
];

Deno.test("100 kills over 200,000 records and two outages of the broker: every result once, by KafkaJS", {
  ignore: missing !== null,
}, () => attack({ client: "kafkajs", records: 200_000, kills: 100, epochRecords: 400, seed: 1 }));

Deno.test("15 kills over 30,000 records and two outages of the broker: every result once, by @platformatic/kafka", {
  ignore: missing !== null,
}, () => attack({ client: "platformatic", records: 30_000, kills: 15, epochRecords: 400, seed: 2 }));
