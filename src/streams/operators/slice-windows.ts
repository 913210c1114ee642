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
import { type Slice, SliceBlock } from "./slice-block.ts";

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
    const others = behind.places;
    if (before !== null) {
      const { places, count } = before.inOrder(window.start);
      const { keys, head, after } = before.places;
      for (let k = 0; k < count; k++) {
        const place = places[k];
        const other = after[place];
        emit(keys[place], this.#answer(before, place, head[place], behind, other, other < 0 ? -1 : others.last[other]));
      }
    }
    const { places, count } = behind.inOrder(behind.start);
    for (let k = 0; k < count; k++) {
      const other = places[k];
      const place = others.before[other];
      if (before !== null && place >= 0 && before.places.head[place] >= 0) continue;
      emit(others.keys[other], this.#answer(null, -1, -1, behind, other, others.last[other]));
    }
  }

  /** What a window answers about one of its keys. */
  answer(window: Window, key: Key): unknown {
    const { before, behind } = this.#around(window);
    const id = keyId(key);
    const place = before === null ? -1 : before.find(id);
    const other = behind.find(id);
    return this.#answer(
      before,
      place,
      place < 0 ? -1 : before!.cellFrom(place, window.start),
      behind,
      other,
      other < 0 ? -1 : behind.cellBefore(other, window.end),
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

  /** The end from a cell of one block on and the beginning up to a cell of the next, where there are such cells. */
  #answer(
    before: SliceBlock | null,
    place: number,
    from: number,
    behind: SliceBlock,
    other: number,
    to: number,
  ): unknown {
    const beginning = to < 0 ? null : behind.beginningOf(other, to);
    if (before === null || from < 0) return this.#merger.result(beginning!, to);
    const end = before.endOf(place, from);
    if (beginning === null) return this.#merger.result(end, from);
    this.#merger.copy(this.#scratch, 0, end, from);
    this.#merger.merge(this.#scratch, 0, beginning, to);
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
