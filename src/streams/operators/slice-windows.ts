/**
 * Windows made of slices, each for about three merges a key, however many slices it has.
 *
 * Think of windows as planks laid over posts that stand as far apart as a plank is long. Every plank lies over exactly one
 * post: it covers the end of the block before the post, and the beginning of the block behind it. The ends and the
 * beginnings of a block are built up one from the other, so a window costs one merge of the two. This is the method of van
 * Herk (1992) and of Gil and Werman (1993) for sliding minima, here for accumulators of many keys.
 *
 * The order of the records is kept: an accumulator of earlier slices is always merged first.
 *
 * @module
 */
import type { Key } from "../../kv-state/key.ts";
import { keyId } from "../../kv-state/key.ts";
import type { Aggregate } from "../../windows/aggregate.ts";
import type { SlidingAssigner } from "../../windows/assigner.ts";
import type { Window } from "../../windows/window.ts";
import type { ByStart } from "./by-start.ts";
import { FreeRows, RowMerger } from "./row-merger.ts";
import { type Place, type Slice, SliceBlock } from "./slice-block.ts";

/** What windows over the same slices answer. */
export class SliceWindows {
  readonly #assigner: SlidingAssigner;
  readonly #slices: ByStart<Slice>;
  readonly #merger: RowMerger;
  readonly #blocks = new Map<number, SliceBlock>();
  /** Where an end and a beginning are merged. */
  readonly #scratch: FreeRows;

  constructor(assigner: SlidingAssigner, aggregate: Aggregate<unknown, unknown>, slices: ByStart<Slice>) {
    this.#assigner = assigner;
    this.#slices = slices;
    this.#merger = new RowMerger(aggregate);
    this.#scratch = new FreeRows(aggregate);
    this.#scratch.reserve(1);
  }

  /** Notes that there is a new slice, which may be one between those that windows have already been made of. */
  opened(slice: Slice): void {
    const { size, offset } = this.#assigner;
    const block = this.#blocks.get(Math.floor((slice.start - offset) / size) * size + offset);
    if (block !== undefined && slice.start < block.takenTo) block.take(slice);
  }

  /**
   * Says what a window answers about each of its keys: in the order of the slices that they begin in, then of their rows
   * there. Windows come in order.
   */
  fire(window: Window, emit: (key: Key, answer: unknown) => void): void {
    const { before, behind } = this.#around(window);
    if (before !== null) {
      for (const at of before.inOrder(window.start)) {
        const place = before.places[at];
        const other = place.after < 0 ? undefined : behind.places[place.after];
        emit(place.key, this.#answer(before, place, place.head, behind, other, (other?.cells.length ?? 0) - 1));
      }
    }
    for (const at of behind.inOrder(behind.start)) {
      const place = behind.places[at];
      if (before !== null && place.before >= 0) {
        const { cells, head } = before.places[place.before];
        if (head < cells.length) continue;
      }
      emit(place.key, this.#answer(null, undefined, 0, behind, place, place.cells.length - 1));
    }
  }

  /** What a window answers about one of its keys. */
  answer(window: Window, key: Key): unknown {
    const { before, behind } = this.#around(window);
    const id = keyId(key);
    const place = before?.places[before.find(id)];
    const other = behind.places[behind.find(id)];
    return this.#answer(
      before,
      place,
      place === undefined ? 0 : before!.cellFrom(place, window.start),
      behind,
      other,
      other === undefined ? -1 : behind.cellFrom(other, window.end) - 1,
    );
  }

  /** Forgets a slice that no window needs any more. */
  drop(slice: Slice): void {
    slice.block?.drop(slice);
  }

  /** Forgets what only windows need that end at or before an instant. */
  dropBefore(instant: number): void {
    const { size } = this.#assigner;
    for (const [start, block] of this.#blocks) {
      if (start + 2 * size <= instant) {
        block.leave();
        this.#blocks.delete(start);
      } else if (start + size <= instant) {
        block.dropBeginnings();
      }
    }
  }

  /** The end from cell `k` of one block and the beginning up to cell `l` of the next, where there are such cells. */
  #answer(
    before: SliceBlock | null,
    place: Place | undefined,
    k: number,
    behind: SliceBlock,
    other: Place | undefined,
    l: number,
  ): unknown {
    const hasBeginning = other !== undefined && l >= 0;
    const beginning = hasBeginning ? behind.beginningOf(other, l) : null;
    const beginningRow = hasBeginning ? behind.rowOf(other.cells[l]) : 0;
    if (before === null || place === undefined || k >= place.cells.length) {
      return this.#merger.result(beginning!, beginningRow);
    }
    const end = before.endOf(place, k);
    const endRow = before.rowOf(place.cells[k]);
    if (beginning === null) return this.#merger.result(end, endRow);
    this.#merger.copy(this.#scratch, 0, end, endRow);
    this.#merger.merge(this.#scratch, 0, beginning, beginningRow);
    return this.#merger.result(this.#scratch, 0);
  }

  /** The blocks before and behind the post under a window, its slices taken in. None is before it where both begin there. */
  #around({ start, end }: Window): { readonly before: SliceBlock | null; readonly behind: SliceBlock } {
    const { size, offset } = this.#assigner;
    const post = Math.ceil((start - offset) / size) * size + offset;
    const before = start < post ? this.#block(post - size, post) : null;
    return { before, behind: this.#block(post, end) };
  }

  /** A block with all slices that begin before an instant. */
  #block(start: number, to: number): SliceBlock {
    const { size, slice } = this.#assigner;
    let block = this.#blocks.get(start);
    if (block === undefined) {
      block = new SliceBlock({
        start,
        merger: this.#merger,
        sliceMillis: slice,
        slicesMax: size / slice,
        before: this.#blocks.get(start - size),
        after: this.#blocks.get(start + size),
      });
      this.#blocks.set(start, block);
    }
    if (to > block.takenTo) {
      for (const one of this.#slices.between(block.takenTo, to)) block.take(one);
      block.takenTo = to;
    }
    return block;
  }
}
