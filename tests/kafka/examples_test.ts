/**
 * The examples on Kafka, run as a person runs them: as programs, on a broker, with no more permissions than they need. What
 * they have written is read by KafkaJS and counted again here, by loops that share nothing with Weir.
 */
import assert from "node:assert/strict";
import { clientOf } from "./broker/admin.ts";
import { type Broker, startBroker } from "./broker/broker.ts";
import { freePort, loopback } from "./broker/ports.ts";
import { missingBroker } from "./broker/test-broker.ts";

const missing = await missingBroker("the examples on Kafka");

/** A program that has ended. */
interface Ended {
  readonly code: number;
  readonly lines: ReadonlyArray<string>;
  readonly errors: string;
}

/** Runs an example with its output in a folder. What KafkaJS would read of the environment is not there. */
const run = async (brokers: ReadonlyArray<string>, program: string, folder: string): Promise<Ended> => {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-net=127.0.0.1",
      "--allow-env=KAFKA_BROKERS",
      "--ignore-env",
      `--allow-read=${folder}`,
      `--allow-write=${folder}`,
      program,
      folder,
    ],
    stdin: "null",
    env: { NO_COLOR: "1", KAFKA_BROKERS: brokers.join(",") },
  }).output();
  const [text, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, lines: text.trimEnd().split("\n"), errors };
};

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

const assertEnds = ({ code, lines, errors }: Ended, last: string | RegExp): void => {
  const said = `${lines.join("\n")}\n${errors}`;
  if (typeof last === "string") assert.equal(lines.at(-1), last, said);
  else assert.match(lines.at(-1)!, last, said);
  assert.equal(code, 0, said);
};

/** A record as KafkaJS shows it. */
interface Found {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

const text = (bytes: Uint8Array | null): string | null => bytes === null ? null : new TextDecoder().decode(bytes);

/** What a `read_committed` consumer sees of a topic, up to the end that it has now; of one partition in its order. */
const recordsOf = async (broker: Broker, topic: string): Promise<ReadonlyArray<Found>> => {
  const kafka = clientOf(broker);
  const admin = kafka.admin();
  await admin.connect();
  const ends = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]));
  await admin.disconnect();
  const found: Array<Found> = [];
  const left = new Set([...ends].filter(([, end]) => end > 0).map(([partition]) => partition));
  if (left.size === 0) return found;
  const consumer = kafka.consumer({ groupId: `reader-${crypto.randomUUID()}`, readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((done, failed) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => failed(payload.error));
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      if (Number(payload.lastOffset) + 1 >= ends.get(payload.partition)!) left.delete(payload.partition);
      if (left.size === 0) done();
    });
    void consumer.run({
      eachBatch: ({ batch: { partition, messages } }) => {
        for (const { offset, key, value, headers = {} } of messages) {
          const texts = Object.entries(headers).map(([name, value]) => [name, String(value)]);
          found.push({
            partition,
            offset: Number(offset),
            key: text(key),
            value: text(value),
            headers: Object.fromEntries(texts),
          });
        }
        return Promise.resolve();
      },
    });
  });
  await consumer.disconnect();
  return found;
};

/** The words of all lines in the topic, counted, and the counts that the other topic must hold: each from 1 on, once. */
const assertCounts = async (broker: Broker, lines: number): Promise<void> => {
  const read = await recordsOf(broker, "lines");
  assert.equal(read.length, lines);
  const expected = new Map<string, Array<number>>();
  for (const { value } of read) {
    for (const word of value!.toLowerCase().split(/[^a-z]+/)) {
      if (word === "") continue;
      const counts = expected.get(word) ?? [];
      counts.push(counts.length + 1);
      expected.set(word, counts);
    }
  }
  const counts = Map.groupBy(await recordsOf(broker, "word-counts"), ({ key }) => key!);
  assert.deepEqual(
    new Map([...counts].map(([word, said]) => [word, said.map(({ value }) => Number(value))])),
    expected,
  );
};

const wordcount = "examples/kafka-wordcount/main.ts";

Deno.test("kafka-wordcount counts each word once, goes on where it stopped, and begins anew on another broker", {
  ignore: missing !== null,
}, () =>
  inFolder(async (folder) => {
    {
      await using broker = await startBroker();
      assertEnds(
        await run(broker.brokers, wordcount, folder),
        "kafka-wordcount: 53 words, seen 88 times, counts match",
      );
      await assertCounts(broker, 10);
      const again = await run(broker.brokers, wordcount, folder);
      assertEnds(again, "kafka-wordcount: 53 words, seen 176 times, counts match");
      assert.deepEqual(again.lines.slice(0, 2), [
        '10 lines written to topic "lines"',
        "20 lines read by the job so far",
      ]);
      await assertCounts(broker, 20);
    }
    await using broker = await startBroker();
    assertEnds(await run(broker.brokers, wordcount, folder), "kafka-wordcount: 53 words, seen 88 times, counts match");
    await assertCounts(broker, 10);
  }));

/** What a campaign did in a half minute. */
interface Row {
  readonly impressions: number;
  readonly clicks: number;
  readonly spend: number;
}

/** The table of the example that writes to files. */
const rowsOfFile = async (folder: string): Promise<ReadonlyMap<string, Row>> => {
  using kv = await Deno.openKv(`${folder}/campaigns.kv`);
  const entries = await Array.fromAsync(kv.list<Row>({ prefix: ["campaigns"] }));
  return new Map(entries.map(({ key, value }) => [key.slice(1).join(" "), value]));
};

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0;
const byKey = <A>(rows: Iterable<readonly [string, A]>) => [...rows].sort(([a], [b]) => compare(a, b));

Deno.test("campaign-metrics on Kafka writes the metrics, the late clicks and the dead letters that a recount has", {
  ignore: missing !== null,
}, () =>
  inFolder(async (folder) => {
    await using broker = await startBroker();
    const ended = await run(broker.brokers, "examples/campaign-metrics/kafka.ts", `${folder}/kafka`);
    assertEnds(
      ended,
      /^campaign-metrics-kafka: 20000 events, 339 windows, \d+ clicks, \d+ late, 4 dead letters, totals match$/,
    );
    const id = ended.lines.flatMap((line) => line.match(/^campaign-events-(\w+)/)?.[1] ?? [])[0];
    const topic = (name: string) => recordsOf(broker, `campaign-${name}-${id}`);

    const letters = await topic("dead-letters");
    const events = await topic("events");
    const broken = letters.map(({ key, value, headers }) => {
      const partition = Number(headers.split.split("-").at(-1));
      const offset = Number(headers.offset);
      const record = events.find((event) => event.partition === partition && event.offset === offset)!;
      assert.deepEqual([key, value], [record.key, record.value]);
      assert.match(headers.reason, new RegExp(`^value at offset ${offset} `));
      return record;
    });
    assert.equal(new Set(broken).size, 4);

    const late = (await topic("corrections")).map(({ value }) => value!);
    assert.ok(late.length > 0);
    const lateOnes = new Set(late);
    assert.equal(lateOnes.size, late.length);
    const clicked = new Set<string>();
    const prices = new Map<string, number>();
    const expected = new Map<string, Row>();
    for (const record of events) {
      if (broken.includes(record)) continue;
      const event = JSON.parse(record.value!);
      const start = event.servedAt - event.servedAt % 30_000;
      const key = `${event.campaign} ${new Date(start).toISOString()}`;
      const row = expected.get(key) ?? { impressions: 0, clicks: 0, spend: 0 };
      if (event.type === "impression") {
        prices.set(key, (prices.get(key) ?? 0) + event.price);
        expected.set(key, { ...row, impressions: row.impressions + 1, spend: prices.get(key)! / 1_000_000 });
      } else if (lateOnes.has(record.value!)) {
        // It came after its half minute had been corrected for two minutes.
        assert.ok(event.clickedAt - event.servedAt > 120_000);
      } else if (!clicked.has(event.impression)) {
        clicked.add(event.impression);
        expected.set(key, { ...row, clicks: row.clicks + 1 });
      }
    }
    // The last record of a key stands.
    const metrics = new Map((await topic("metrics")).map(({ key, value }) => [key!, JSON.parse(value!)]));
    assert.deepEqual(
      byKey(metrics).map(([key, { impressions, clicks, spend }]) => [key, { impressions, clicks, spend }]),
      byKey(expected),
    );

    // Impressions never come too late, so the example that writes to files has the same ones.
    await Deno.mkdir(`${folder}/file`);
    assertEnds(await run([], "examples/campaign-metrics/main.ts", `${folder}/file`), /totals match$/);
    const shown = (rows: ReadonlyMap<string, Row>) =>
      byKey(rows).map(([key, { impressions, spend }]) => [key, impressions, spend]);
    assert.deepEqual(shown(metrics), shown(await rowsOfFile(`${folder}/file`)));
  }));

for (const program of [wordcount, "examples/campaign-metrics/kafka.ts"]) {
  Deno.test(`${program} says how to start a broker where none answers`, () =>
    inFolder(async (folder) => {
      const nowhere = `${loopback}:${freePort()}`;
      const { code, errors } = await run([nowhere], program, folder);
      assert.equal(code, 1);
      assert.match(errors, new RegExp(`^No broker answers at ${nowhere} \\(.*\\). Start one in another terminal with`));
      assert.equal(errors.trimEnd().split("\n").length, 1);
    }));
}
