/**
 * Loops around @platformatic/kafka, by its public face: messages as events of a stream, which takes up to half as long as
 * `for await`, and a producer that is awaited.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import {
  Consumer,
  type Message,
  type MessageToProduce,
  Producer,
  type Serializers,
  stringSerializers,
} from "@platformatic/kafka";
import type { Event } from "../events.ts";
import type { Loop, LoopOptions } from "./loop.ts";
import { Windows } from "./windows.ts";

/**
 * About how many bytes an answer has, of all partitions together. By default it would be 50 MiB of each partition, and the
 * library would take two to five times as long, as it searches through all that has come for each number that it reads.
 */
const answerBytes = 1_048_576;

/** How many messages of a copy are written at once: of 1 KiB each, and all in one batch, the topic takes no more than 3,900. */
const copiesMax = 2_048;

/** A message as it comes where nothing deserializes it. */
type Incoming = Message<Buffer, Buffer, Buffer, Buffer>;

/** What a loop does with a message: says what there is to write now, or null. It is told when the last one comes. */
type Process<A> = (message: Incoming, isLast: boolean) => Array<MessageToProduce<A, A, A, A>> | null;

const loopOf =
  <A>(serializers: Partial<Serializers<A, A, A, A>>, make: (options: LoopOptions) => Process<A>): Loop =>
  async (options) => {
    const { brokers, in: topicIn, out, partitions, commitMillis, arrivals } = options;
    const shared = { bootstrapBrokers: [...brokers], clientId: "loop" };
    const consumer = new Consumer({ ...shared, groupId: `loop-${out}`, autocommit: false });
    const producer = new Producer<A, A, A, A>({ ...shared, serializers });
    const stream = await consumer.consume({
      topics: [topicIn],
      mode: "earliest",
      autocommit: false,
      maxBytesPerPartition: Math.ceil(answerBytes / partitions),
    });
    const process = make(options);
    const last = new Map<number, Incoming>();
    const commit = async (): Promise<void> => {
      const offsets = Array.from(last.values(), ({ topic, partition, offset, leaderEpoch }) => (
        { topic, partition, offset: offset + 1n, leaderEpoch }
      ));
      last.clear();
      await consumer.commit({ offsets });
    };
    let committed = performance.now();
    const done = Promise.withResolvers<void>();

    /** Writes, and commits when it is time, while the stream rests. */
    const settle = async (messages: Array<MessageToProduce<A, A, A, A>>): Promise<void> => {
      stream.pause();
      if (messages.length > 0) await producer.send({ messages });
      if (arrivals.hasAll || performance.now() - committed >= commitMillis) {
        await commit();
        committed = performance.now();
      }
      if (arrivals.hasAll) done.resolve();
      else stream.resume();
    };

    stream.on("error", done.reject);
    stream.on("data", (message: Incoming) => {
      arrivals.arrive();
      last.set(message.partition, message);
      const messages = process(message, arrivals.hasAll);
      if (messages !== null) settle(messages).catch(done.reject);
    });
    await done.promise;
    const measured = arrivals.end();
    await Promise.all([consumer.close(true), producer.close()]);
    return measured;
  };

/** Windows of a topic into another. */
export const windowsLoop: Loop = loopOf<string>(stringSerializers, ({ out, partitions }) => {
  const windows = new Windows(partitions);
  return ({ value, partition }, isLast) => {
    const event = JSON.parse(value.toString()) as Event;
    windows.add(event, partition);
    if (!isLast && !windows.mayClose(event.at)) return null;
    return windows.close().map((row) => ({ topic: out, key: row.user, value: JSON.stringify(row) }));
  };
});

/** A copy of a topic into another. */
export const copyLoop: Loop = loopOf<Buffer>({}, ({ out }) => {
  let copies: Array<MessageToProduce<Buffer, Buffer, Buffer, Buffer>> = [];
  return ({ key, value, timestamp }, isLast) => {
    copies.push({ topic: out, key, value, timestamp });
    if (copies.length < copiesMax && !isLast) return null;
    const full = copies;
    copies = [];
    return full;
  };
});
