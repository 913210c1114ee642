/**
 * Which cells a hash may mean: an index with open addressing over flat memory, out of which cells can be taken again.
 *
 * It is as the index of a table's keys, but that a cell may go. Those behind it then move up, so that a search may still
 * end at the first slot that is free.
 *
 * @module
 */

/** How many slots a new index has. A power of two, as they all are. */
const initialSlots = 8;

/** The share of slots that may be taken, in quarters: beyond it the searches grow long. */
const takenQuartersMax = 3;

/** An odd number with its bits well spread (2^32 divided by the golden ratio): hashes of one partition have bits in common. */
const spread = 0x9e3779b1;

/** Cells, which are whole numbers from 0 on, by hash. Several may have the same. */
export class CellIndex {
  /** Slot `s` has at `2 * s` its cell plus one, or 0 where it is free, and at `2 * s + 1` the hash. */
  #slots = new Int32Array(2 * initialSlots);
  #mask = initialSlots - 1;
  /** How far a spread hash is shifted to be a slot. */
  #shift = Math.clz32(initialSlots - 1);
  #size = 0;
  /** The slot of the cell that was found last. */
  #found = 0;

  /** The first cell of a hash; -1 where there is none. */
  first(hash: number): number {
    return this.#search(this.#home(hash | 0), hash | 0);
  }

  /** The next cell of a hash after the one that was found last. */
  next(hash: number): number {
    return this.#search((this.#found + 1) & this.#mask, hash | 0);
  }

  add(hash: number, cell: number): void {
    if (4 * this.#size >= takenQuartersMax * (this.#mask + 1)) this.#grow();
    this.#size++;
    this.#put(cell + 1, hash | 0);
  }

  /** Puts a cell in the place of another, which must be there, of the same hash. */
  replace(hash: number, cell: number, by: number): void {
    this.#slots[2 * this.#slotOf(hash | 0, cell)] = by + 1;
  }

  /** Takes out a cell, which must be there. */
  remove(hash: number, cell: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let free = this.#slotOf(hash | 0, cell);
    for (let slot = (free + 1) & mask; slots[2 * slot] !== 0; slot = (slot + 1) & mask) {
      // One whose search begins behind the free slot stays where it is.
      if (((slot - this.#home(slots[2 * slot + 1])) & mask) < ((slot - free) & mask)) continue;
      slots[2 * free] = slots[2 * slot];
      slots[2 * free + 1] = slots[2 * slot + 1];
      free = slot;
    }
    slots[2 * free] = 0;
    this.#size--;
  }

  #home(hash: number): number {
    return Math.imul(hash, spread) >>> this.#shift;
  }

  #search(from: number, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = from;; slot = (slot + 1) & mask) {
      const cell = slots[2 * slot] - 1;
      if (cell >= 0 && slots[2 * slot + 1] !== hash) continue;
      this.#found = slot;
      return cell;
    }
  }

  #slotOf(hash: number, cell: number): number {
    let found = this.first(hash);
    while (found !== cell) found = this.next(hash);
    return this.#found;
  }

  /** Puts what a slot holds into the first free one from its own on. */
  #put(held: number, hash: number): void {
    const slots = this.#slots;
    let slot = this.#home(hash);
    while (slots[2 * slot] !== 0) slot = (slot + 1) & this.#mask;
    slots[2 * slot] = held;
    slots[2 * slot + 1] = hash;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(2 * before.length);
    this.#mask = 2 * this.#mask + 1;
    this.#shift--;
    for (let at = 0; at < before.length; at += 2) {
      if (before[at] !== 0) this.#put(before[at], before[at + 1]);
    }
  }
}
