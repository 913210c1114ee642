/**
 * Topics that are made for a run and removed behind it.
 *
 * @module
 */
import { type Access, clientOf, createTopic } from "../../tests/kafka/broker/admin.ts";

/**
 * Records are years old by their own time, and must stay. A batch may be larger than a broker takes by default, as the loop of
 * KafkaJS writes all that it has fetched of a partition in one.
 */
const settings = { "retention.ms": "-1", "max.message.bytes": String(4 * 1_024 * 1_024) };

/** Makes a topic. */
export const makeTopic = (access: Access, topic: string, partitions: number): Promise<void> =>
  createTopic(access, topic, { partitions, settings });

/** Removes the topics whose names begin with some word. */
export const removeTopics = async (access: Access, beginning: string): Promise<void> => {
  const admin = clientOf(access).admin();
  try {
    await admin.connect();
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(beginning));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
};
