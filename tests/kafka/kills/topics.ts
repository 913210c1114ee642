/**
 * What goes into the topics of the kills, and what comes out, by KafkaJS's own producer and consumer.
 *
 * @module
 */
import { type Access, clientOf } from "../broker/admin.ts";
import { orderOf } from "./orders.ts";

/** Writes orders to topic "orders", each user's to one partition. */
export const writeOrders = async (broker: Access, count: number, partitions: number): Promise<void> => {
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
export const valuesOf = async (broker: Access, topic: string): Promise<ReadonlyArray<string>> => {
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
