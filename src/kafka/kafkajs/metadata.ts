/**
 * The request for metadata with the ids of topics, which KafkaJS does not have.
 *
 * @module
 */
import type { Metadata } from "../wire/broker-connection.ts";
import { ByteReader } from "../wire/byte-reader.ts";
import { ByteWriter } from "../wire/byte-writer.ts";
import { topicIdBytes, topicIdOf } from "../wire/topic-id.ts";
import type { Ask } from "./link.ts";

/** The version in which it is asked; brokers know it since Kafka 2.8. */
export const metadataWithIds = 10;

/** Asks for topics by their names. None is made. */
export const askMetadata = (topics: ReadonlyArray<string>): Ask<Metadata> => ({
  name: "Metadata",
  version: metadataWithIds,
  options: { topics: [] },
  body: () => {
    const noId = new Uint8Array(topicIdBytes);
    const body = new ByteWriter().uint8(0); // Ends the head of the request, as in every flexible version.
    body.compactArray(topics, (name) => void body.raw(noId).compactString(name).uint8(0));
    // Neither made nor described further, and nothing that a later version has added.
    return body.uint8(0).uint8(0).uint8(0).uint8(0).written;
  },
  decode: (payload) => {
    const reader = new ByteReader(payload);
    reader.skipTags(); // Of the head.
    reader.skip(4); // How long to keep still.
    const brokers = reader.compactArray(() => {
      const broker = { nodeId: reader.int32(), host: reader.compactString() ?? "", port: reader.int32() };
      reader.compactString(); // Its rack.
      reader.skipTags();
      return broker;
    });
    reader.compactString(); // The cluster's id.
    const controllerId = reader.int32();
    const described = reader.compactArray(() => {
      const errorCode = reader.int16();
      const name = reader.compactString() ?? "";
      const id = topicIdOf(reader.take(topicIdBytes));
      reader.skip(1); // Whether it is Kafka's own.
      const partitions = reader.compactArray(() => {
        reader.skip(2); // Its error, which says no more than that it has no leader.
        const partition = reader.int32();
        const leader = reader.int32();
        reader.skip(4); // The leader's epoch.
        // Replicas, those in sync, and those that cannot be reached.
        for (let lists = 0; lists < 3; lists++) reader.compactArray(() => reader.int32());
        reader.skipTags();
        return { partition, leader };
      });
      reader.skip(4); // What may be done with it.
      reader.skipTags();
      return { name, errorCode, id, partitions };
    });
    return { brokers, controllerId, topics: described };
  },
});
