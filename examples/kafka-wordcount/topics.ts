/**
 * What the examples on Kafka do beside their jobs, with KafkaJS and as any other program would: they make topics, write
 * records, and read what has been written.
 *
 * @module
 */
import process from "node:process";
import { type Admin, Kafka, type Message } from "kafkajs";

// KafkaJS sets timers to go off in the past, which does no harm, but each program that uses it is warned of it.
const emitWarning = process.emitWarning.bind(process) as (warning: string | Error, ...rest: Array<unknown>) => void;
process.emitWarning = (warning: string | Error, ...rest: Array<unknown>): void => {
  if (rest[0] !== "TimeoutNegativeWarning") emitWarning(warning, ...rest);
};

/** Where the brokers are: `KAFKA_BROKERS`, with commas between them, or what `deno task kafka` starts. */
export const brokers: ReadonlyArray<string> = (Deno.env.get("KAFKA_BROKERS") || "127.0.0.1:9092").split(",");

/** A record as it was read. */
export interface StoredRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** The topics of a cluster. */
export interface Topics extends AsyncDisposable {
  /** Makes a topic, unless it is there. */
  readonly create: (topic: string, partitions: number) => Promise<void>;
  /** Whether nothing lies in a topic. */
  readonly isEmpty: (topic: string) => Promise<boolean>;
  /** Writes records. */
  readonly write: (topic: string, messages: ReadonlyArray<Message>) => Promise<void>;
  /** Reads all that lies in a topic and whose transactions have ended, by partition and offset. */
  readonly read: (topic: string) => Promise<ReadonlyArray<StoredRecord>>;
}

/** How many records are written at once. */
const writtenMax = 5_000;

/** Connects to the cluster. Where no broker answers, the program says so and ends. */
export const connect = async (): Promise<Topics> => {
  const kafka = new Kafka({
    clientId: "weir-examples",
    brokers: [...brokers],
    logCreator: () => () => {},
    retry: { retries: 2, initialRetryTime: 100 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
  } catch (error) {
    console.error(
      `No broker answers at ${brokers.join(", ")} (${(error as Error).message}). Start one in another terminal with ` +
        `"deno task kafka", or say in KAFKA_BROKERS where there is one`,
    );
    Deno.exit(1);
  }
  return {
    create: async (topic, numPartitions) => {
      if ((await admin.listTopics()).includes(topic)) return;
      // KafkaJS would wait for leaders, too, but takes it for the last word if the broker does not know the topic yet.
      await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: false });
      while (!(await admin.listTopics()).includes(topic)) await new Promise((done) => setTimeout(done, 50));
    },
    isEmpty: async (topic) => (await admin.fetchTopicOffsets(topic)).every(({ low, high }) => low === high),
    write: async (topic, messages) => {
      const producer = kafka.producer();
      await producer.connect();
      for (let k = 0; k < messages.length; k += writtenMax) {
        await producer.send({ topic, messages: messages.slice(k, k + writtenMax) });
      }
      await producer.disconnect();
    },
    read: (topic) => readAll(kafka, admin, topic),
    [Symbol.asyncDispose]: () => admin.disconnect(),
  };
};

const readAll = async (kafka: Kafka, admin: Admin, topic: string): Promise<ReadonlyArray<StoredRecord>> => {
  const ends = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]));
  const left = new Set([...ends].filter(([, end]) => end > 0).map(([partition]) => partition));
  const records: Array<StoredRecord> = [];
  if (left.size === 0) return records;
  const groupId = `weir-examples-${crypto.randomUUID()}`;
  // What transactions wrote that were aborted, as crashes leave behind, is not shown. This is KafkaJS's default.
  const consumer = kafka.consumer({ groupId, readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((done, failed) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => failed(payload.error));
    // A batch may end behind its last record, with the mark of a transaction.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
      if (Number(lastOffset) + 1 >= ends.get(partition)!) left.delete(partition);
      if (left.size === 0) done();
    });
    void consumer.run({
      eachBatch: ({ batch: { messages } }) => {
        for (const { key, value, headers = {} } of messages) {
          const texts = Object.entries(headers).map(([name, value]) => [name, String(value)]);
          records.push({ key: textOf(key), value: textOf(value), headers: Object.fromEntries(texts) });
        }
        return Promise.resolve();
      },
    });
  });
  await consumer.disconnect();
  await admin.deleteGroups([groupId]);
  return records;
};

const textOf = (bytes: Uint8Array | null) => bytes === null ? null : new TextDecoder().decode(bytes);
