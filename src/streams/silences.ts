/**
 * Silences: for how long the ingest has waited for each split with nothing to read from it.
 *
 * A guest who does not answer is only silent while somebody listens. So time counts only between two looks at a split that
 * found it without records, and not while the ingest was held up by a full mailbox or a commit, nor while the split was
 * paused. A look counts for a part of the wanted silence only: should the thread have been busy with something else for
 * long, what a source has to say meanwhile is heard before its split is taken for idle.
 *
 * @module
 */
import type { TaskContext } from "../actors/task-context.ts";
import type { SplitReader } from "./split-reader.ts";

/** How often a split is looked at during the shortest silence that somebody asks for. */
const looksPerSilence = 8;

/** How many times the usual interval between looks one look counts at most. */
const looksCountedMax = 2;

/** Measures silences, and notes them in the context of the ingest. */
export class Silences {
  /** How often to look, in milliseconds; null where nobody asks for a silence. */
  readonly lookMillis: number | null;
  readonly #context: TaskContext;
  readonly #watched: ReadonlyArray<{ readonly reader: SplitReader; readonly lengths: ReadonlyArray<number> }>;
  readonly #lengths: ReadonlyArray<ReadonlyArray<number>>;
  readonly #waited: Float64Array;
  #looked: number;

  constructor(options: {
    readonly context: TaskContext;
    readonly readers: ReadonlyArray<SplitReader>;
    /** The silences that somebody asks for, by the number of the split, in milliseconds. */
    readonly lengths: ReadonlyArray<ReadonlyArray<number>>;
    readonly now: number;
  }) {
    const { context, readers, lengths, now } = options;
    this.#context = context;
    this.#lengths = lengths;
    this.#watched = readers
      .filter(({ source }) => !source.bounded || source.paced === true)
      .map((reader) => ({ reader, lengths: lengths[reader.split] }))
      .filter(({ lengths }) => lengths.length > 0);
    this.#waited = new Float64Array(readers.length);
    this.#looked = now;
    const shortest = Math.min(...this.#watched.flatMap(({ lengths }) => lengths));
    this.lookMillis = shortest === Infinity ? null : shortest / looksPerSilence;
    context.silences = Float64Array.from(readers, ({ ended }) => ended ? Infinity : 0);
  }

  /** Looks at every split. Returns true when one of them has become silent for a length that somebody asks for. */
  look(now: number): boolean {
    if (this.lookMillis === null) return false;
    // Looking costs something for each split, and rounds may be short.
    const elapsed = now - this.#looked;
    if (elapsed < this.lookMillis / looksPerSilence) return false;
    this.#looked = now;
    const counted = Math.min(elapsed, looksCountedMax * this.lookMillis);
    let changed: Float64Array | null = null;
    for (const { reader, lengths } of this.#watched) {
      const { split } = reader;
      if (!reader.started || reader.ended || reader.paused) continue;
      if (reader.buffered > 0 || reader.exhausted) {
        this.#waited[split] = 0;
        continue;
      }
      const waited = this.#waited[split] += counted;
      const noted = this.#context.silences[split];
      if (!lengths.some((length) => noted < length && length <= waited)) continue;
      changed ??= this.#context.silences.slice();
      changed[split] = waited;
    }
    if (changed === null) return false;
    this.#context.silences = changed;
    return true;
  }

  /**
   * Notes that a whole run went by without news of a split: that is longer than any silence. Returns true when somebody
   * asks for one of it.
   */
  absent(split: number): boolean {
    if (this.#lengths[split].length === 0) return false;
    this.#note(split, Number.MAX_SAFE_INTEGER);
    return true;
  }

  /** Has the time since the last look not count. */
  skip(now: number): void {
    this.#looked = now;
  }

  /** Notes that a split is read. */
  wake(split: number): void {
    this.#waited[split] = 0;
    if (this.#context.silences[split] !== 0) this.#note(split, 0);
  }

  /** Notes that a split has ended. */
  end(split: number): void {
    this.#note(split, Infinity);
  }

  #note(split: number, silence: number): void {
    const silences = this.#context.silences.slice();
    silences[split] = silence;
    this.#context.silences = silences;
  }
}
