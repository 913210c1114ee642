/**
 * An aggregate: a running answer about many records, kept in a few numbers or objects.
 *
 * The accumulators of a table lie side by side in one `Float64Array` (and, where numbers do not do, one list of
 * objects), so an aggregate does not own its state: it is told where it lies. That is what keeps a million keys small
 * and a checkpoint a copy of numbers.
 *
 * @module
 */

/** Two accumulators can be made one. */
export type Merges = "merges";

/** Two accumulators cannot be made one. */
export type CannotMerge = "cannot merge: it needs windows that neither overlap nor grow together";

/**
 * A running answer `B` about many records `A`. `M` says whether two accumulators can be made one.
 *
 * An accumulator lies in `numbers` from index `i` and in `objects` from index `j`.
 */
export interface Aggregate<in A, out B, out M extends Merges | CannotMerge = Merges | CannotMerge> {
  /** Tells an aggregate from a struct of aggregates. */
  readonly "~weir/Aggregate": true;
  /** Whether two accumulators can be made one, as sliding windows and sessions need. */
  readonly merging: M;
  /** Describes what is stored. State written under another description is not read. */
  readonly fingerprint: string;
  /** How many numbers an accumulator takes. */
  readonly numbers: number;
  /** How the objects of an accumulator are stored, one codec each; empty when numbers do. */
  readonly objects: ReadonlyArray<ObjectCodec>;
  /** Makes an accumulator of no record. */
  readonly reset: (numbers: Float64Array, i: number, objects: Array<unknown>, j: number) => void;
  /** Adds a record and its event time. */
  readonly add: (
    numbers: Float64Array,
    i: number,
    objects: Array<unknown>,
    j: number,
    value: A,
    timestamp: number,
  ) => void;
  /**
   * Adds several records at once, each to an accumulator of its own; `i` and `j` are where the aggregate's own part of these
   * begins. It does the same as `add` for each record in turn, and is faster.
   *
   * @default {undefined} `add` is called for each record.
   */
  readonly addAll?: (i: number, j: number, additions: Additions<A>) => void;
  /**
   * Adds another accumulator (the last four), whose records come after those of the first. It throws where `merging`
   * says that there is no such thing, and is never called then.
   */
  readonly merge: (
    numbers: Float64Array,
    i: number,
    objects: Array<unknown>,
    j: number,
    otherNumbers: Float64Array,
    otherI: number,
    otherObjects: ReadonlyArray<unknown>,
    otherJ: number,
  ) => void;
  /** The answer. It is asked of at least one record. */
  readonly result: (numbers: Float64Array, i: number, objects: ReadonlyArray<unknown>, j: number) => B;
}

/** Records that are to be added at once, and accumulators side by side that they are added to. */
export interface Additions<out A> {
  /** The accumulators' numbers: those of accumulator `r` begin at `r * width`. */
  readonly numbers: Float64Array;
  /** How many numbers an accumulator has. */
  readonly width: number;
  /** The accumulators' objects: those of accumulator `r` begin at `r * objectsWidth`. */
  readonly objects: Array<unknown>;
  /** How many objects an accumulator has. */
  readonly objectsWidth: number;
  /** The accumulator that each record goes to, by the record's place. */
  readonly accumulators: Uint32Array;
  /** The record at each place, as a row of `values` and `timestamps`. */
  readonly rows: Uint32Array;
  /** The records, those that are not meant included. */
  readonly values: ReadonlyArray<A>;
  /** Parallel to them: their event times, in epoch milliseconds. */
  readonly timestamps: Float64Array;
  /** Which places are meant: from this one up to `to`. */
  readonly from: number;
  /** Up to this place, which is not meant itself. */
  readonly to: number;
}

/** A function of an aggregate has failed on one of several records. */
export class FailedAddition {
  /** The record, as a row of the values. */
  readonly row: number;
  readonly cause: unknown;

  constructor(row: number, cause: unknown) {
    this.row = row;
    this.cause = cause;
  }
}

/**
 * Adds several records to an aggregate's part of accumulators: at once where it can, else one by one. All that it throws is a
 * {@link FailedAddition}; accumulators are of no use then.
 */
export const addEach = <A>(aggregate: Aggregate<A, unknown>, i: number, j: number, additions: Additions<A>): void => {
  const { add, addAll } = aggregate;
  const { numbers, width, objects, objectsWidth, accumulators, rows, values, timestamps, from, to } = additions;
  if (addAll !== undefined) {
    try {
      return addAll(i, j, additions);
    } catch (error) {
      throw error instanceof FailedAddition ? error : new FailedAddition(firstFailing(aggregate, additions), error);
    }
  }
  let k = from;
  try {
    for (; k < to; k++) {
      const at = accumulators[k];
      const row = rows[k];
      add(numbers, at * width + i, objects, at * objectsWidth + j, values[row], timestamps[row]);
    }
  } catch (error) {
    throw new FailedAddition(rows[k], error);
  }
};

/** The first record that cannot be added; the first of all if that cannot be told afterwards. */
const firstFailing = <A>(aggregate: Aggregate<A, unknown>, additions: Additions<A>): number => {
  const { rows, values, timestamps, from, to } = additions;
  const numbers = new Float64Array(aggregate.numbers);
  const objects: Array<unknown> = aggregate.objects.map(() => undefined);
  aggregate.reset(numbers, 0, objects, 0);
  for (let k = from; k < to; k++) {
    try {
      aggregate.add(numbers, 0, objects, 0, values[rows[k]], timestamps[rows[k]]);
    } catch {
      return rows[k];
    }
  }
  return rows[from];
};

/** How an object of an accumulator becomes something that can be stored, and back. */
export interface ObjectCodec {
  /** Makes something of it that the structured clone algorithm can copy. */
  readonly encode: (object: unknown) => unknown;
  /** Makes the object again. */
  readonly decode: (stored: unknown) => unknown;
}

/** One aggregate that answers `B`, or several under names that together answer the struct `B`. */
export type AggregateShape<A, B, M extends Merges | CannotMerge = Merges | CannotMerge> =
  | Aggregate<A, B, M>
  // The second part says nothing that the first does not; the compiler infers M from it.
  | ({ readonly [name in keyof B]: Aggregate<A, B[name], M> } & { readonly [name: string]: { readonly merging: M } });

/** What an {@link AggregateShape} answers: a value, or a struct of values under the same names. */
// deno-lint-ignore no-explicit-any -- see AggregateShape
export type AggregateResult<G> = G extends Aggregate<any, infer B> ? B
  // deno-lint-ignore no-explicit-any -- see AggregateShape
  : { readonly [name in keyof G]: G[name] extends Aggregate<any, infer B> ? B : never };

/** Whether a shape is a single aggregate. */
const isAggregate = <A, B, M extends Merges | CannotMerge>(
  shape: AggregateShape<A, B, M>,
): shape is Aggregate<A, B, M> => "~weir/Aggregate" in shape;

/** Makes one aggregate of a shape. A struct's accumulators lie one after the other, in the order of its names. */
export const compose = <A, B, M extends Merges | CannotMerge>(shape: AggregateShape<A, B, M>): Aggregate<A, B, M> => {
  if (isAggregate(shape)) return shape;
  const names = Object.keys(shape);
  const parts: ReadonlyArray<Aggregate<A, unknown, M>> = names.map((name) => shape[name as keyof B]);
  const numbersAt: Array<number> = [];
  const objectsAt: Array<number> = [];
  let numbers = 0;
  let objects = 0;
  for (const part of parts) {
    numbersAt.push(numbers);
    objectsAt.push(objects);
    numbers += part.numbers;
    objects += part.objects.length;
  }
  const count = parts.length;
  return {
    "~weir/Aggregate": true,
    merging: (parts.find(({ merging }) => merging !== "merges") ?? parts[0]).merging,
    fingerprint: `struct(${names.map((name, k) => `${JSON.stringify(name)}:${parts[k].fingerprint}`).join(",")})`,
    numbers,
    objects: parts.flatMap((part) => part.objects),
    reset: (n, i, o, j) => {
      for (let k = 0; k < count; k++) parts[k].reset(n, i + numbersAt[k], o, j + objectsAt[k]);
    },
    add: (n, i, o, j, value, timestamp) => {
      for (let k = 0; k < count; k++) parts[k].add(n, i + numbersAt[k], o, j + objectsAt[k], value, timestamp);
    },
    addAll: (i, j, additions) => {
      let failed: FailedAddition | null = null;
      let rest = additions;
      for (let k = 0; k < count; k++) {
        try {
          addEach(parts[k], i + numbersAt[k], j + objectsAt[k], rest);
        } catch (error) {
          // Another part may fail on a record before it, and would have been the first to fail had they come one by one.
          failed = error as FailedAddition;
          rest = { ...rest, to: rest.rows.indexOf(failed.row, rest.from) };
        }
      }
      if (failed !== null) throw failed;
    },
    merge: (n, i, o, j, n2, i2, o2, j2) => {
      for (let k = 0; k < count; k++) {
        parts[k].merge(n, i + numbersAt[k], o, j + objectsAt[k], n2, i2 + numbersAt[k], o2, j2 + objectsAt[k]);
      }
    },
    result: (n, i, o, j) => {
      const answer: Record<string, unknown> = {};
      for (let k = 0; k < count; k++) answer[names[k]] = parts[k].result(n, i + numbersAt[k], o, j + objectsAt[k]);
      return answer as B;
    },
  };
};
