/**
 * Records that are to be written, by their partitions.
 *
 * @module
 */
import type { OutgoingRecord } from "../client.ts";
import type { Place } from "./broker-connection.ts";

/** Records of one partition. */
export interface Part extends Place {
  readonly records: Array<OutgoingRecord>;
}

/** What a partition is called in maps. */
export const placeOf = ({ topic, partition }: Place): string => `${partition} ${topic}`;

/** Records by their partitions, in the order in which these appear. */
export const partsOf = (records: ReadonlyArray<OutgoingRecord>): ReadonlyArray<Part> => {
  const topics = new Map<string, Map<number, Part>>();
  const parts: Array<Part> = [];
  for (const record of records) {
    const { topic, partition } = record;
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, partitions = new Map());
    let part = partitions.get(partition);
    if (part === undefined) {
      part = { topic, partition, records: [] };
      partitions.set(partition, part);
      parts.push(part);
    }
    part.records.push(record);
  }
  return parts;
};
