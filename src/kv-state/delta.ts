/**
 * A delta: what changed in one table of one keyed partition since the previous barrier.
 *
 * State is a set of tables; a table (one per stateful operator and keyed partition) is split into namespaces (a window
 * or slice start; `0` where there is none), and a namespace holds rows. A row has a key, `width` numbers and a list of
 * schema-encoded objects. Row ids count up from 0 within a namespace and are never used twice, so the keys of new rows
 * need no ids of their own. Applying the deltas of all epochs in order rebuilds the state exactly, row order included.
 *
 * @module
 */

/** What changed in one namespace of one table. All columns are parallel to `rows`. */
export interface Delta {
  /** The stable name of the operator (and, where it keeps several tables, of the table). */
  readonly table: string;
  /** The keyed partition, from 0. */
  readonly partition: number;
  /** The window or slice start, in epoch milliseconds; 0 for tables without windows. */
  readonly namespace: number;
  /** When true the namespace was dropped; every other column is empty. */
  readonly dropped: boolean;
  /** The id of the first row created since the previous delta of this namespace. */
  readonly firstNewRow: number;
  /** The keys of the rows created since then: `newKeys[i]` belongs to row `firstNewRow + i`. */
  readonly newKeys: ReadonlyArray<unknown>;
  /** The ids of rows whose numbers or objects changed (new rows included), each once, in any order; stored in ascending order. */
  readonly rows: Uint32Array;
  /** How many numbers a row has. */
  readonly width: number;
  /** `rows.length * width` numbers, row after row. */
  readonly numbers: Float64Array;
  /** `rows.length` lists of encoded objects, or empty where the rows have none. */
  readonly objects: ReadonlyArray<ReadonlyArray<unknown>>;
  /** The ids of rows that were removed. */
  readonly removed: Uint32Array;
}

/** The same delta with its rows, and those removed, in ascending order; itself if they are already, as they usually are. */
export const inRowOrder = (delta: Delta): Delta => {
  const { rows, width, numbers, objects, removed } = delta;
  const areRowsOrdered = isAscending(rows);
  if (areRowsOrdered && isAscending(removed)) return delta;
  if (areRowsOrdered) return { ...delta, removed: removed.toSorted() };
  const order = Uint32Array.from(rows.keys()).sort((a, b) => rows[a] - rows[b]);
  const sorted = new Float64Array(numbers.length);
  order.forEach((from, to) => sorted.set(numbers.subarray(from * width, (from + 1) * width), to * width));
  return {
    ...delta,
    rows: order.map((index) => rows[index]),
    numbers: sorted,
    objects: objects.length === 0 ? objects : Array.from(order, (index) => objects[index]),
    removed: removed.toSorted(),
  };
};

const isAscending = (rows: Uint32Array): boolean => {
  for (let k = 1; k < rows.length; k++) if (rows[k - 1] >= rows[k]) return false;
  return true;
};
