/**
 * A ledger: what is expected is written down, what comes is crossed off, and in the end it says what does not add up.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A row as the ledger knows it: a text that is equal for equal rows, and one for its key. */
export interface Entry {
  readonly text: string;
  readonly key: string;
}

/** Rows that are not as they should be. */
export interface Found<P> {
  readonly count: number;
  readonly first: ReadonlyArray<{ readonly row: string; readonly place: P }>;
}

/** What does not add up. */
export interface Balance<P> {
  /** How many rows came. */
  readonly rows: number;
  /** How many were expected. */
  readonly expected: number;
  /** Which of the expected ones, counted from 1, did not come. */
  readonly missing: Found<number>;
  readonly duplicated: Found<P>;
  readonly unexpected: Found<P>;
  readonly outOfOrder: Found<P>;
}

/** Counts rows, and keeps the first of them. */
class Finds<P> implements Found<P> {
  count = 0;
  readonly first: Array<{ readonly row: string; readonly place: P }> = [];
  readonly #shownMax: number;

  constructor(shownMax: number) {
    this.#shownMax = shownMax;
  }

  add(row: string, place: P): void {
    this.count++;
    if (this.first.length < this.#shownMax) this.first.push({ row, place });
  }
}

/** Texts that are longer than this are known by their hash. */
const hashedFromCharacters = 24;

/** What stands for a text: texts of which nobody wants to hold a million are hashed to 128 bits. */
const standsFor = (text: string): string =>
  text.length <= hashedFromCharacters ? text : `#${createHash("md5").update(text).digest("binary")}`;

/** Compares rows that come with rows that are expected. */
export class Ledger<P> {
  readonly #expected: () => Iterable<Entry>;
  readonly #order: "none" | "by key" | "exact";
  readonly #duplicated: Finds<P>;
  readonly #unexpected: Finds<P>;
  readonly #outOfOrder: Finds<P>;
  readonly #missing: Finds<number>;
  /** The expected rows that come next, as long as all have come in exactly their order; null from the first difference on. */
  #inStep: Iterator<Entry> | null;
  /** How many rows had come in step. */
  #steps = 0;
  /** How often each expected row is still to come: 0 where it has come as often as expected. */
  readonly #open = new Map<string, number>();
  /** The expected rows of each key, and how many of them have come. */
  readonly #byKey = new Map<string, { readonly rows: Array<string>; next: number }>();
  /** The row at which the first difference was. */
  #outOfStep: { readonly text: string; readonly place: P } | null = null;
  #rows = 0;
  #expectedRows = 0;

  constructor(options: {
    /** What is expected; it is gone through again where rows are missing. */
    readonly expected: () => Iterable<Entry>;
    readonly order: "none" | "by key" | "exact";
    readonly shownMax: number;
  }) {
    const { expected, order, shownMax } = options;
    this.#expected = expected;
    this.#order = order;
    this.#duplicated = new Finds(shownMax);
    this.#unexpected = new Finds(shownMax);
    this.#outOfOrder = new Finds(shownMax);
    this.#missing = new Finds(shownMax);
    const all = expected()[Symbol.iterator]();
    this.#inStep = order === "exact" ? all : null;
    if (order !== "exact") this.#writeDown(all);
  }

  #writeDown(expected: Iterator<Entry>): void {
    for (let next = expected.next(); next.done !== true; next = expected.next()) this.#writeDownOne(next.value);
  }

  #writeDownOne({ text, key }: Entry): void {
    const row = standsFor(text);
    this.#expectedRows++;
    this.#open.set(row, (this.#open.get(row) ?? 0) + 1);
    if (this.#order !== "by key") return;
    const known = this.#byKey.get(key);
    if (known === undefined) this.#byKey.set(key, { rows: [row], next: 0 });
    else known.rows.push(row);
  }

  /** Notes something that is no row at all. */
  invalid(text: string, place: P): void {
    this.#rows++;
    this.#unexpected.add(text, place);
  }

  /** Crosses a row off. */
  take({ text, key }: Entry, place: P): void {
    this.#rows++;
    if (this.#inStep !== null && this.#isInStep(text, place)) return;
    const row = standsFor(text);
    const open = this.#open.get(row);
    if (open === undefined) return this.#unexpected.add(text, place);
    if (open === 0) return this.#duplicated.add(text, place);
    this.#open.set(row, open - 1);
    if (this.#order === "by key") this.#takeInOrder(row, key, text, place);
  }

  /** Whether a row is the next one that is expected. Where it is not, only counts matter from here on. */
  #isInStep(text: string, place: P): boolean {
    const expected = this.#inStep!;
    const next = expected.next();
    if (next.done !== true && next.value.text === text) {
      this.#steps++;
      this.#expectedRows++;
      return true;
    }
    this.#inStep = null;
    // What came in step is known again where it comes once more.
    let index = 0;
    for (const { text } of this.#expected()) {
      if (++index > this.#steps) break;
      this.#open.set(standsFor(text), 0);
    }
    if (next.done !== true) this.#writeDownOne(next.value);
    this.#writeDown(expected);
    // Whether it is out of order is known only when all have come: something may be missing here instead.
    this.#outOfStep = { text, place };
    return false;
  }

  #takeInOrder(row: string, key: string, text: string, place: P): void {
    const known = this.#byKey.get(key);
    if (known === undefined) return;
    const at = known.rows.indexOf(row, known.next);
    // What was passed over may be missing; it is out of order if it comes after all.
    if (at === -1) this.#outOfOrder.add(text, place);
    else known.next = at + 1;
  }

  /** Says what does not add up. */
  close(): Balance<P> {
    if (this.#inStep !== null) this.#writeDown(this.#inStep);
    this.#findMissing();
    const isOnlyOrder = this.#missing.count + this.#duplicated.count + this.#unexpected.count === 0;
    if (isOnlyOrder && this.#outOfStep !== null) this.#outOfOrder.add(this.#outOfStep.text, this.#outOfStep.place);
    return {
      rows: this.#rows,
      expected: this.#expectedRows,
      missing: this.#missing,
      duplicated: this.#duplicated,
      unexpected: this.#unexpected,
      outOfOrder: this.#outOfOrder,
    };
  }

  #findMissing(): void {
    const left = new Map<string, number>();
    for (const [row, open] of this.#open) if (open > 0) left.set(row, open);
    if (left.size === 0) return;
    // Of rows that are expected several times the first ones have come.
    const skipped = new Map<string, number>();
    let index = 0;
    const counts = new Map<string, number>();
    for (const { text } of this.#expected()) {
      if (++index <= this.#steps) continue;
      const row = standsFor(text);
      if (left.has(row)) counts.set(row, (counts.get(row) ?? 0) + 1);
    }
    for (const [row, count] of counts) skipped.set(row, count - left.get(row)!);
    index = 0;
    for (const { text } of this.#expected()) {
      if (++index <= this.#steps) continue;
      const row = standsFor(text);
      const skip = skipped.get(row);
      if (skip === undefined) continue;
      if (skip > 0) skipped.set(row, skip - 1);
      else this.#missing.add(text, index);
    }
  }
}
