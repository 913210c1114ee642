/**
 * The hottest keys of a stage: which keys many of the records have, and about what share of them.
 *
 * One record in about thirty-two is looked at, and of those a bounded number of keys is counted (Misra and Gries, 1982): a
 * new key that finds no room takes one off every count, itself included. So a key with a share above one in
 * `countedKeysMax` is always among the counted, and its count is too small by at most that share. Counts are halved now
 * and then, so that they follow a stream whose keys change.
 *
 * @module
 */
import { type Key, type KeyId, keyId } from "../kv-state/key.ts";

/** How many keys are counted at a time. */
const countedKeysMax = 128;

/** How many records are looked at before all counts are halved. */
const sampledRecordsMax = 65_536;

/** Of fewer records that were looked at nothing is said. */
const sampledRecordsMin = 256;

/** How many keys are reported. */
const reportedKeysMax = 10;

/** A key that many records have. */
export interface HotKey {
  /** The key. */
  readonly key: Key;
  /**
   * Its estimated share of the records that were sent to the stage of late, from 0 to 1. It can be too small by 1/128, and
   * it is off by what comes of looking at some of the records only: about 0.01 at most, once a million have come.
   */
  readonly share: number;
}

/** Counts the keys of some of the records. */
export class HotKeys {
  readonly #counts = new Map<KeyId, { readonly key: Key; count: number }>();
  #sampled = 0;
  #random = 1;

  /** Looks at a record's key. Returns which record is the next to look at: 1 would be the very next. */
  sample(key: Key): number {
    if (this.#sampled === sampledRecordsMax) this.#halve();
    this.#sampled++;
    const id = keyId(key);
    const counted = this.#counts.get(id);
    if (counted !== undefined) counted.count++;
    else if (this.#counts.size < countedKeysMax) this.#counts.set(id, { key, count: 1 });
    else this.#takeOff((count) => count - 1);
    // A fixed step would see nothing but one key of a stream whose keys take turns. The steps are the same in every run:
    // a linear congruential generator (Knuth, TAOCP 2, 3.3.4, table 1) gives 1 to 64.
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return 1 + (this.#random >>> 26);
  }

  /** The keys with the greatest shares, greatest first; none whose share is as small as the error. */
  hottest(): ReadonlyArray<HotKey> {
    if (this.#sampled < sampledRecordsMin) return [];
    return [...this.#counts.values()]
      .filter(({ count }) => count * countedKeysMax > this.#sampled)
      .sort((a, b) => b.count - a.count)
      .slice(0, reportedKeysMax)
      .map(({ key, count }) => ({ key, share: count / this.#sampled }));
  }

  #halve(): void {
    this.#sampled = Math.floor(this.#sampled / 2);
    this.#takeOff((count) => Math.floor(count / 2));
  }

  #takeOff(reduce: (count: number) => number): void {
    for (const [id, counted] of this.#counts) {
      counted.count = reduce(counted.count);
      if (counted.count === 0) this.#counts.delete(id);
    }
  }
}
