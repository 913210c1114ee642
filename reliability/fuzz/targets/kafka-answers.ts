/**
 * Answers of brokers that are asked for what lies on their logs, in the plain and in the flexible encoding.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { FetchedPartition } from "../../../src/kafka/client.ts";
import { ByteReader } from "../../../src/kafka/wire/byte-reader.ts";
import { ByteWriter } from "../../../src/kafka/wire/byte-writer.ts";
import { readFetchAnswer } from "../../../src/kafka/wire/fetch-answer.ts";
import { Refusal } from "../../../src/kafka/wire/refusal.ts";
import type { Draw } from "../draw.ts";
import { joined, mutated, sameBytes } from "../mutate.ts";
import type { Target } from "../target.ts";
import { comparable, expectedOf, someBatches, type Writing } from "./kafka-batches.ts";

/** How many bytes a batch may have once it is decompressed. */
const batchBytesMax = 1_000_000;

/** The least bytes that a partition takes in an answer. */
const partitionBytesMin = 4 + 2 + 8 + 8 + 8 + 1 + 4 + 1;

interface Partition {
  readonly partition: number;
  readonly errorCode: number;
  readonly offsets: readonly [highWatermark: number, lastStable: number, logStart: number];
  readonly aborted: ReadonlyArray<{ readonly producerId: bigint; readonly firstOffset: number }>;
  readonly writings: ReadonlyArray<Writing>;
  readonly batches: Uint8Array;
}

interface Topic {
  readonly name: string;
  readonly partitions: ReadonlyArray<Partition>;
}

const offset = (draw: Draw): number => draw.oneOf([-1, 0, draw.word(), 2 ** 53 - 1]);

const somePartition = (draw: Draw): Partition => {
  const { writings, parts } = someBatches(draw, 2);
  return {
    partition: draw.below(100),
    errorCode: draw.once(5) ? draw.oneOf([-1, 1, 2, 6, 120, 9_999, 32_767]) : 0,
    offsets: [offset(draw), offset(draw), offset(draw)],
    aborted: draw.list(2, () => ({ producerId: draw.oneOf([0n, 2n ** 63n - 1n, -1n]), firstOffset: offset(draw) })),
    writings,
    batches: joined(...parts),
  };
};

const someTopics = (draw: Draw): ReadonlyArray<Topic> =>
  draw.list(2, () => ({
    name: draw.oneOf(["a", "topic.with-a_name", "x".repeat(249), "\ufeffé"]),
    partitions: draw.list(2, () => somePartition(draw)),
  }));

/** Writes an answer as brokers do. `tags` writes what later versions may add, which only the flexible encoding can. */
const written = (
  topics: ReadonlyArray<Topic>,
  isFlexible: boolean,
  errorCode: number,
  tags: (writer: ByteWriter) => void,
): Uint8Array<ArrayBuffer> => {
  const writer = new ByteWriter(64);
  const array = <A>(values: ReadonlyArray<A>, write: (value: A) => void): unknown =>
    isFlexible ? writer.compactArray(values, write) : writer.array(values, write);
  const end = (): void => {
    if (isFlexible) tags(writer);
  };
  writer.int32(0).int16(errorCode).int32(0);
  array(topics, ({ name, partitions }) => {
    if (isFlexible) writer.compactString(name);
    else writer.string(name);
    array(partitions, ({ partition, errorCode, offsets, aborted, batches }) => {
      writer.int32(partition).int16(errorCode);
      for (const offset of offsets) writer.int64(offset);
      array(aborted, ({ producerId, firstOffset }) => {
        writer.int64(producerId).int64(firstOffset);
        end();
      });
      writer.int32(-1);
      if (isFlexible) writer.uvarint(batches.length + 1);
      else writer.int32(batches.length);
      writer.raw(batches);
      end();
    });
    end();
  });
  end();
  return writer.written;
};

/** What must be read of an answer. */
const expected = (topics: ReadonlyArray<Topic>) =>
  topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partition, errorCode, offsets, aborted, writings }) => ({
      topic: name,
      partition,
      hasFailed: errorCode !== 0,
      offsets,
      aborted: aborted.map(({ producerId, firstOffset }) => ({ producerId: `${producerId}`, firstOffset })),
      batches: errorCode === 0 ? expectedOf(writings) : [],
    }))
  );

const read = (partitions: ReadonlyArray<FetchedPartition>) =>
  partitions.map(({ topic, partition, error, highWatermark, lastStableOffset, logStartOffset, aborted, batches }) => ({
    topic,
    partition,
    hasFailed: error !== null,
    offsets: [highWatermark, lastStableOffset, logStartOffset],
    aborted,
    batches: comparable(batches),
  }));

const someTags = (draw: Draw) => (writer: ByteWriter): void => {
  const tags = draw.once(5) ? draw.list(2, () => [draw.word(), draw.bytes(9)] as const) : [];
  writer.uvarint(tags.length);
  for (const [tag, bytes] of tags) writer.uvarint(tag).uvarint(bytes.length).raw(bytes);
};

const check = (draw: Draw): string => {
  const topics = someTopics(draw);
  const isFlexible = draw.below(2) === 0;
  const errorCode = draw.once(10) ? draw.oneOf([1, 70, 9_999, -1]) : 0;
  const sound = written(topics, isFlexible, errorCode, someTags(draw));
  const isDamaged = !draw.once(3);
  const other = isDamaged ? written(someTopics(draw), draw.below(2) === 0, 0, someTags(draw)) : sound;
  const bytes = draw.note("bytes", isDamaged ? mutated(draw, sound, other) : sound);
  const isSound = sameBytes(bytes, sound);
  draw.note("encoding", isFlexible ? "flexible" : "plain");
  let partitions: ReadonlyArray<FetchedPartition>;
  try {
    partitions = readFetchAnswer(new ByteReader(bytes), { isFlexible, batchBytesMax });
  } catch (error) {
    if (error instanceof Refusal) assert.ok(!isSound || errorCode !== 0, `what is sound is refused: ${error.message}`);
    throw error;
  }
  if (isSound) {
    assert.equal(errorCode, 0, "an answer that is an error is taken for one that is none");
    assert.deepEqual(read(partitions), expected(topics));
    return `accepted, ${isFlexible ? "flexible" : "plain"}`;
  }
  // No length that is a lie has made more of it than there is.
  assert.ok(partitions.length * partitionBytesMin <= bytes.length, "more partitions than there is room for");
  let held = 0;
  for (const { aborted, error, batches } of partitions) {
    assert.ok(error === null || batches.length === 0, "batches of a partition that has failed");
    held += 16 * aborted.length + 61 * batches.length;
  }
  assert.ok(held <= bytes.length, "more is told than there is room for");
  return "accepted, though damaged";
};

/** Answers to a request to read logs. */
export const kafkaAnswers: Target = {
  name: "kafka-answers",
  about: "answers of brokers, sound and damaged, in both encodings, to the reader of what lies on a log",
  rejects: ["Refusal"],
  share: 0.5,
  check,
};
