/**
 * Loops around KafkaJS, by its public face: `eachBatch`, and a producer that is awaited.
 *
 * @module
 */
import process from "node:process";
import { type Consumer, type EachBatchPayload, Kafka, logLevel, type Message, Partitioners } from "kafkajs";
import type { Event } from "../events.ts";
import type { Loop, LoopOptions } from "./loop.ts";
import { Windows } from "./windows.ts";

// KafkaJS sets timers to go off in the past, which does no harm, but each program that uses it is warned of it.
const emitWarning = process.emitWarning.bind(process) as (warning: string | Error, ...rest: Array<unknown>) => void;
process.emitWarning = (warning: string | Error, ...rest: Array<unknown>): void => {
  if (rest[0] !== "TimeoutNegativeWarning") emitWarning(warning, ...rest);
};

/** About how many bytes of a partition come at once: with its default, four times as many, the library takes longer. */
const maxBytesPerPartition = 262_144;

/** What a loop makes of a batch: records to write. */
type Process = (batch: EachBatchPayload["batch"]) => Array<Message>;

const loopOf = (make: (options: LoopOptions) => Process): Loop => async (options) => {
  const { brokers, in: topicIn, out, commitMillis, arrivals } = options;
  const kafka = new Kafka({ brokers: [...brokers], clientId: "loop", logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({ groupId: `loop-${out}`, maxBytesPerPartition });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await Promise.all([consumer.connect(), producer.connect()]);
  await consumer.subscribe({ topics: [topicIn], fromBeginning: true });
  const process = make(options);
  const offsets = new Map<number, string>();
  let committed = performance.now();
  const done = Promise.withResolvers<void>();
  consumer.on(consumer.events.CRASH, ({ payload }) => done.reject(payload.error));
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      const messages = process(batch);
      if (messages.length > 0) await producer.send({ topic: out, messages });
      offsets.set(batch.partition, String(BigInt(batch.lastOffset()) + 1n));
      if (!arrivals.hasAll && performance.now() - committed < commitMillis) return;
      await commit(consumer, topicIn, offsets);
      committed = performance.now();
      if (arrivals.hasAll) done.resolve();
    },
  });
  await done.promise;
  const measured = arrivals.end();
  await Promise.all([consumer.disconnect(), producer.disconnect()]);
  return measured;
};

const commit = async (consumer: Consumer, topic: string, offsets: Map<number, string>): Promise<void> => {
  await consumer.commitOffsets([...offsets].map(([partition, offset]) => ({ topic, partition, offset })));
  offsets.clear();
};

/** Windows of a topic into another. */
export const windowsLoop: Loop = loopOf(({ partitions, arrivals }) => {
  const windows = new Windows(partitions);
  return ({ messages, partition }) => {
    for (const { value } of messages) {
      arrivals.arrive();
      windows.add(JSON.parse(value!.toString()) as Event, partition);
    }
    return windows.close().map((row) => ({ key: row.user, value: JSON.stringify(row) }));
  };
});

/** A copy of a topic into another. */
export const copyLoop: Loop = loopOf(({ arrivals }) => ({ messages }) =>
  messages.map(({ key, value, timestamp }) => {
    arrivals.arrive();
    return { key, value, timestamp };
  })
);
