/**
 * What groups have committed, and what transactions that are open will have committed for them. No group has members.
 *
 * @module
 */
import type { GroupOffsets } from "../client.ts";
import { brokerError } from "./broker-error.ts";
import type { Outcome } from "./partition-log.ts";

/** What a group has committed for a partition. */
export type GroupOffset = GroupOffsets["offsets"][number];

interface Pending {
  readonly producerId: string;
  readonly group: string;
  readonly offset: GroupOffset;
}

/** The offsets of groups. */
export class Groups {
  readonly #groups = new Map<string, Map<string, GroupOffset>>();
  #pending: ReadonlyArray<Pending> = [];

  /** Commits offsets of a group. */
  commit(group: string, offsets: ReadonlyArray<GroupOffset>): void {
    let committed = this.#groups.get(group);
    if (committed === undefined) this.#groups.set(group, committed = new Map());
    for (const { topic, partition, offset } of offsets) {
      committed.set(keyOf(topic, partition), { topic, partition, offset });
    }
  }

  /** Keeps offsets until the producer's transaction ends. */
  commitLater(producerId: string, { group, member, offsets }: GroupOffsets): void {
    if (member !== null) {
      const code = this.#groups.has(group) ? "UNKNOWN_MEMBER_ID" : "ILLEGAL_GENERATION";
      throw brokerError(code, `commit offsets of ${group} as it has no members: current value is ${member.id}`);
    }
    this.#pending = [...this.#pending, ...offsets.map((offset) => ({ producerId, group, offset }))];
  }

  /** Commits or drops what was kept for a producer's transaction. */
  endTransaction(producerId: string, outcome: Outcome): void {
    for (const pending of this.#pending) {
      if (outcome === "commit" && pending.producerId === producerId) this.commit(pending.group, [pending.offset]);
    }
    this.#pending = this.#pending.filter((pending) => pending.producerId !== producerId);
  }

  /** What a group has committed for a partition, or `undefined`. */
  committed(group: string, topic: string, partition: number): number | undefined {
    return this.#groups.get(group)?.get(keyOf(topic, partition))?.offset;
  }

  /** All that a group has committed, by topic and partition. */
  offsetsOf(group: string): ReadonlyArray<GroupOffset> {
    const offsets = [...this.#groups.get(group)?.values() ?? []];
    return offsets.sort((a, b) => a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition);
  }

  /** Forgets a group. */
  expire(group: string): void {
    this.#groups.delete(group);
  }

  /** Forgets what was committed for a topic, as Kafka does when it is deleted. */
  forgetTopic(topic: string): void {
    for (const committed of this.#groups.values()) {
      for (const [key, offset] of committed) if (offset.topic === topic) committed.delete(key);
    }
    this.#pending = this.#pending.filter(({ offset }) => offset.topic !== topic);
  }
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;
