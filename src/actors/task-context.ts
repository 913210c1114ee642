/**
 * Where an actor stands: the coordinates of the record it is working on, for errors and dead letters.
 *
 * @module
 */
import type { Columns } from "./columns.ts";
import { type Marks, noMarks } from "./marks.ts";
import { endOfRound } from "./message.ts";
import type { Letter } from "./receiver.ts";
import { noParts, recordBytes } from "./record-bytes.ts";
import { inWords } from "../windows/in-words.ts";

/** What is known of a split, by its number. */
export interface SplitName {
  readonly source: string;
  readonly split: string;
}

/** How many characters of what an error says a letter carries at most. */
export const reasonCharactersMax = 4_096;

/**
 * How often a record may be divided in an actor before its parts can no longer be told from those of the actors before:
 * a double tells apart the parts of three actors in a row for rounds of 4,096 records.
 */
const divisionsMax = 2 ** 12;

/** The coordinates of the record that an actor is working on. Set for every record; read only when something fails. */
export class TaskContext {
  readonly job: string;
  readonly splits: ReadonlyArray<SplitName>;
  /** The round being worked on. */
  round = 0;
  /** The number of the split that the round was read from. */
  split = 0;
  /**
   * Which record of the round it is, as it was read, counted from 0. Several records made of one divide up the room to the
   * next: so records that take different ways can be put back in order where the ways meet.
   */
  ordinal = 0;
  /** How much room there is for records made of this one. */
  ordinalRoom: number;
  /** How much room there is for records made of one that comes from a channel. */
  readonly channelRoom: number;
  /** The processing time of the round, in epoch milliseconds. It never goes back, whatever the clock does. */
  now = -Infinity;
  /** How the watermark moves within the round, where that must be known exactly; else empty. */
  marks: Marks = noMarks;
  /**
   * For how long each split has been waited for with nothing to read, in milliseconds, by its number: 0 for one that is
   * awake, Infinity for one that has ended. It is noted when it reaches a length that somebody asked for, and never
   * changed: what changes it is another array.
   */
  silences: Float64Array;
  /** Where to read on after the record. */
  position: number | string = 0;

  /** `depth` is how many actors are between a source and this one at most. */
  constructor(job: string, splits: ReadonlyArray<SplitName>, depth: number) {
    this.job = job;
    this.splits = splits;
    this.silences = new Float64Array(splits.length);
    this.channelRoom = divisionsMax ** -depth;
    this.ordinalRoom = this.channelRoom;
  }

  /** Moves to a record of a batch. */
  moveToRow(columns: Columns, row: number): void {
    this.position = columns.positions[row];
    this.ordinal = columns.ordinals[row];
  }

  /**
   * Does something in the middle of the room of the current record: what is made of the record takes the first half, and
   * what this brings about the second.
   */
  afterRecord(act: () => void): void {
    const { ordinal } = this;
    this.ordinal = ordinal + this.ordinalRoom / 2;
    act();
    this.ordinal = ordinal;
  }

  /**
   * Moves to the place in the round at which the watermark reaches an instant, and gives the watermark before that. Where
   * the steps within the round are not known it stays where it is, and gives undefined.
   */
  moveTo(instant: number): number | undefined {
    const { size, ordinals, watermarks } = this.marks;
    if (size === 0) return undefined;
    let low = 0;
    let high = size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (watermarks[middle] >= instant) high = middle;
      else low = middle + 1;
    }
    this.ordinal = low < size ? ordinals[low] : endOfRound;
    return low > 0 ? watermarks[low - 1] : undefined;
  }

  /** A letter about the current record. */
  letter(operator: string, error: unknown, value: unknown, defect: boolean): Letter {
    const { source, split } = this.splits[this.split];
    return {
      source,
      split,
      position: this.position,
      operator,
      reason: reasonOf(error),
      error,
      ...recordBytes(value),
      ...noParts,
      defect,
    };
  }
}

/** What an error says of itself, cut at {@link reasonCharactersMax}. Anything can be thrown, so this never throws. */
export const reasonOf = (error: unknown): string => {
  const reason = wordsOf(error);
  return reason.length <= reasonCharactersMax ? reason : `${reason.slice(0, reasonCharactersMax - 1)}…`;
};

const wordsOf = (error: unknown): string => {
  try {
    if (typeof error !== "object" || error === null) return String(error);
    const message = "message" in error && typeof error.message === "string" ? error.message : "";
    if (error instanceof Error) return message === "" ? String(error) : message;
    if (!("_tag" in error)) return inWords(error);
    return message === "" ? String(error._tag) : `${String(error._tag)}: ${message}`;
  } catch {
    return inWords(error);
  }
};
