/**
 * A live source in virtual time: each of its splits has records at a pace of its own, and says when it has nothing now.
 */
import { Effect, Stream } from "effect";
import fc from "fast-check";
import { Source } from "@weir/streams";

/** A record of a live split, and for how long the split is silent before it, in virtual milliseconds. */
export interface Paced {
  readonly id: number;
  readonly k: number;
  readonly at: number;
  readonly pause: number;
}

export type Splits = ReadonlyArray<ReadonlyArray<Paced>>;

/** Splits with bursts and silences, whose event time wanders forwards and now and then falls back. */
export const liveSplits: fc.Arbitrary<Splits> = fc.array(
  fc.array(
    fc.record({
      k: fc.nat(4),
      step: fc.integer({ min: -30, max: 60 }),
      pause: fc.oneof({ arbitrary: fc.constant(0), weight: 3 }, {
        arbitrary: fc.constantFrom(1, 90, 400, 2_500),
        weight: 1,
      }),
    }),
    { maxLength: 30, size: "medium" },
  ),
  { minLength: 1, maxLength: 4 },
).map((splits) => {
  let id = 0;
  return splits.map((records) => {
    let at = 0;
    return records.map(({ k, step, pause }) => ({ id: id++, k, at: at = Math.max(0, at + step), pause }));
  });
});

export const writeSplits = (splits: Splits): string =>
  splits.map((records, s) =>
    `split ${s}: ${
      records.map(({ id, k, at, pause }) => `${pause === 0 ? "" : `(${pause} ms) `}#${id} at ${at} k=${k}`).join(", ")
    }`
  ).join("\n");

const names = (splits: Splits): ReadonlyArray<string> => splits.map((_, s) => `split ${s}`);

/** The source of some splits. It ends when all of them have. */
export const liveSource = (splits: Splits): Source.Source<Paced, never, never, never> =>
  Source.make({
    name: "live",
    bounded: false,
    splits: Effect.succeed(names(splits)),
    read: (split, from) =>
      Stream.suspend(() => {
        const first = Number(from ?? 0);
        const records = splits[names(splits).indexOf(split)].slice(first);
        return Stream.fromIterable(records).pipe(
          Stream.zipWithIndex,
          Stream.flatMap(([record, k]): Stream.Stream<Source.SourceBatch<Paced>> => {
            const batch = { records: [record], positions: [first + k + 1] };
            if (record.pause === 0) return Stream.succeed(batch);
            return Stream.concat(
              Stream.succeed<Source.SourceBatch<Paced>>({ records: [], positions: [], lag: 0 }),
              Stream.fromEffect(Effect.as(Effect.sleep(record.pause), batch)),
            );
          }),
        );
      }),
  });
