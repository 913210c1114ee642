/**
 * The records at which a number is greatest: all of them, where there are several.
 *
 * @module
 */
import { Aggregate } from "@weir/streams";
import { Schema } from "effect";

interface Greatest<A> {
  by: number;
  records: Array<A>;
}

/** All the records at which a number is greatest. */
export const greatest = <A>(
  by: (record: A) => number,
  record: Schema.Codec<A, unknown>,
): Aggregate.Aggregate<A, ReadonlyArray<A>, Aggregate.Merges> =>
  Aggregate.make({
    name: "greatest",
    schema: Schema.Struct({ by: Schema.Number, records: Schema.mutable(Schema.Array(record)) }),
    initial: (): Greatest<A> => ({ by: -Number.MAX_VALUE, records: [] }),
    add: (kept, record: A) => {
      const number = by(record);
      if (number > kept.by) return { by: number, records: [record] };
      if (number === kept.by) kept.records.push(record);
      return kept;
    },
    merge: (kept, later) => {
      if (later.by > kept.by) return { by: later.by, records: later.records.slice() };
      if (later.by === kept.by) kept.records.push(...later.records);
      return kept;
    },
    result: ({ records }) => records,
  });
