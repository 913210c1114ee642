/**
 * Which row of a table a key has: an index with open addressing over flat memory.
 *
 * It works like coats on numbered hooks: a key's hash says at which hook to begin, and where that one is taken the next free
 * one is. A hook holds a row and its key's hash, side by side, so most keys that are not there are found out without one
 * key being compared. In a `Map` a key takes about 40 bytes, here 11 to 22, and the collector has nothing to look at.
 *
 * @module
 */
import type { KeyId } from "./key.ts";

/** How many slots an index has at least. A power of two, as they all are. */
const slotsMin = 8;

/** The share of slots that may be taken, in quarters: beyond it the searches grow long. */
const takenQuartersMax = 3;

/**
 * An odd number with its bits well spread (2^32 divided by the golden ratio): what it is multiplied by, its upper bits depend
 * on all bits. The lowest bits of the hashes are the same for all keys of one partition.
 */
const spread = 0x9e3779b1;

/** The rows of keys, which count up from 0 in the order in which the keys were added. */
export class KeyIndex {
  /** The id of each row's key. */
  readonly ids: Array<KeyId> = [];
  /** Slot `s` has at `2 * s` its row plus one, or 0 where it is free, and at `2 * s + 1` the hash. */
  #slots: Int32Array;
  #mask: number;
  /** How far a spread hash is shifted to be a slot. */
  #shift: number;
  /** How many rows there may be before there are more slots. */
  #rowsMax: number;

  /** An index with room for some rows. */
  constructor(rows: number = 0) {
    let slots = slotsMin;
    while (slots * takenQuartersMax / 4 < rows) slots *= 2;
    this.#slots = new Int32Array(2 * slots);
    this.#mask = slots - 1;
    this.#shift = Math.clz32(slots - 1);
    this.#rowsMax = slots * takenQuartersMax / 4;
  }

  /** The row of a key, or -1. The hash is that with which it was added. */
  find(id: KeyId, hash: number): number {
    const slots = this.#slots;
    const stored = hash | 0;
    for (let slot = Math.imul(stored, spread) >>> this.#shift;; slot = (slot + 1) & this.#mask) {
      const row = slots[2 * slot] - 1;
      if (row < 0) return -1;
      if (slots[2 * slot + 1] === stored && isSame(this.ids[row], id)) return row;
    }
  }

  /** Adds a key that is not there, and returns its row. */
  add(id: KeyId, hash: number): number {
    const row = this.ids.length;
    if (row === this.#rowsMax) this.#grow();
    this.ids.push(id);
    this.#put(this.#slots, row, hash | 0);
    return row;
  }

  /** Puts a row into the first free slot from its own on. */
  #put(slots: Int32Array, row: number, stored: number): void {
    let slot = Math.imul(stored, spread) >>> this.#shift;
    while (slots[2 * slot] !== 0) slot = (slot + 1) & this.#mask;
    slots[2 * slot] = row + 1;
    slots[2 * slot + 1] = stored;
  }

  #grow(): void {
    const before = this.#slots;
    const slots = new Int32Array(2 * before.length);
    this.#mask = 2 * this.#mask + 1;
    this.#shift--;
    this.#rowsMax *= 2;
    for (let at = 0; at < before.length; at += 2) {
      if (before[at] !== 0) this.#put(slots, before[at] - 1, before[at + 1]);
    }
    this.#slots = slots;
  }
}

/** Whether two ids are those of one key, as a `Map` sees it: NaN is itself. */
const isSame = (a: KeyId, b: KeyId): boolean => a === b || (a !== a && b !== b);
