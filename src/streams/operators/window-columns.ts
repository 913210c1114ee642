/**
 * What is kept of one key in one window, by columns.
 *
 * @module
 */
import type { Aggregate } from "../../windows/aggregate.ts";
import type { CellLayout } from "./cells.ts";

/** The columns that the numbers of every cell begin with. */
export const column = {
  start: 0,
  end: 1,
  /** How many records are in its pane. */
  records: 2,
  /** How many results it has had. */
  said: 3,
  /** What else is known of it, in bits that its owner knows. */
  flags: 4,
} as const;

const commonColumns = 5;

/** Where the other columns are; -1 for those that are not needed. */
export interface CellColumns {
  /** When the first record of the pane came, by the clock. */
  readonly arrived: number;
  /** The event time from which the pane's intervals count. */
  readonly from: number;
  /** The greatest event time of the records. */
  readonly latest: number;
  /** Where the accumulator begins: of everything, or of the pane where panes are discarded. */
  readonly accumulator: number;
  /** Where the accumulator begins as it was when the window last fired. */
  readonly stated: number;
  /** How many numbers a cell has. */
  readonly width: number;
}

/** What is to be kept. */
export interface WindowCellOptions {
  readonly aggregate: Aggregate<unknown, unknown>;
  /** Whether the accumulator is also kept as it was when the window last fired. */
  readonly keepsStated: boolean;
  /** Whether a cell's accumulator as it was is worth storing. */
  readonly isStated: (cell: number) => boolean;
  readonly keepsArrived: boolean;
  readonly keepsFrom: boolean;
  readonly keepsLatest: boolean;
}

/** The columns that are needed. */
export const cellColumns = (options: WindowCellOptions): CellColumns => {
  const { aggregate, keepsStated, keepsArrived, keepsFrom, keepsLatest } = options;
  let width = commonColumns;
  const take = (count: number, isNeeded: boolean): number => {
    if (!isNeeded) return -1;
    width += count;
    return width - count;
  };
  const arrived = take(1, keepsArrived);
  const from = take(1, keepsFrom);
  const latest = take(1, keepsLatest);
  const accumulator = take(aggregate.numbers, true);
  const stated = take(aggregate.numbers, keepsStated);
  return { arrived, from, latest, accumulator, stated, width };
};

/**
 * The layout of cells: beside the columns they have the objects of the accumulator, and then, where it is kept, those of it as
 * it was.
 */
export const windowCellLayout = ({ width }: CellColumns, options: WindowCellOptions): CellLayout => {
  const { aggregate: { objects: codecs }, keepsStated, isStated } = options;
  return {
    width,
    objectWidth: codecs.length * (keepsStated ? 2 : 1),
    encode: (objects, at, cell) => {
      const stored = codecs.map((codec, j) => codec.encode(objects[at + j]));
      if (!keepsStated || !isStated(cell)) return stored;
      return [...stored, ...codecs.map((codec, j) => codec.encode(objects[at + codecs.length + j]))];
    },
    decode: (stored, objects, at) =>
      stored.forEach((one, j) => objects[at + j] = codecs[j % codecs.length].decode(one)),
  };
};
