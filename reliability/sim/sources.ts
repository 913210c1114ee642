/**
 * Every kind of replayable source that takes part in simulations of a planned pipeline. A new one is one more entry.
 */
import * as Schema from "@effect/schema";
import { Effect, Stream } from "effect";
import { Flow, type Sink, Source } from "@weir/streams";
import type { Items, SinkOf } from "../../tests/plans/flows.ts";
import type { Item } from "../../tests/plans/plan.ts";
import type { Outside } from "./outside.ts";

type Splits = Readonly<Record<string, ReadonlyArray<Item>>>;
type Raw = Items<Flow.NotKeyed, Flow.NoEventTime>;

/** A kind of source. */
export interface SourceKind {
  readonly name: string;
  /** Makes the flow of its records. What it cannot decode goes to the sink {@link rejectedSink}. */
  readonly from: (name: string, splits: Splits, outside: Outside, sinkOf: SinkOf) => Raw;
  /** How many things the reader counts for a record: the record, and what cannot be decoded behind it. */
  readonly countOf: (item: Item) => number;
  /** Whether its records come at a pace of their own. */
  readonly paced: boolean;
  /** Whether there is something that it cannot decode. */
  readonly rejects: boolean;
  /** What it cannot decode behind a record. Default: {@link garbageBehind}. */
  readonly garbage?: (item: Item) => string;
}

/** The sink of what a source could not decode. */
export const rejectedSink = (source: string): string => `rejected ${source}`;

/** What is in that sink: the words that could not be decoded. */
export const rejectedRows = (
  { countOf, garbage = garbageBehind }: SourceKind,
  items: ReadonlyArray<Item>,
): ReadonlyArray<unknown> => items.filter((item) => countOf(item) > 1).map((item) => ({ raw: garbage(item) }));

const array: SourceKind = {
  name: "array",
  from: (name, splits) => Flow.from(Source.array<Item>(name, splits)),
  countOf: () => 1,
  rejects: false,
  paced: false,
};

/** What follows a record and is none. */
const garbageBehind = ({ id }: Item): string => `{"id":${id},"at"`;
const garbageInCsv = ({ id }: Item): string => `${id},soon,0,0`;
const hasGarbage = ({ id }: Item): boolean => id % 4 === 1;
const countWithGarbage = (item: Item): number => hasGarbage(item) ? 2 : 1;

const toRejected = (
  flow: Flow.Flow<Item, Source.DecodeError, never, Flow.NotKeyed, Flow.NoEventTime, Flow.Append, never>,
  name: string,
  sinkOf: SinkOf,
): Raw =>
  flow.pipe(
    Flow.onError<Source.DecodeError, never, Sink.Transactional>((letters) =>
      letters.pipe(
        Flow.map(({ raw }) => ({ raw: new TextDecoder().decode(raw) })),
        Flow.to(sinkOf<{ readonly raw: string }>(rejectedSink(name))),
      )
    ),
  );

/** Records that come with others that are rejected, from a source of one's own. */
const rejecting: SourceKind = {
  name: "rejecting",
  from: (name, splits, _outside, sinkOf) => {
    const things = (split: string): ReadonlyArray<Item | Source.Rejected> =>
      (splits[split] ?? []).flatMap((item) => {
        const raw = new TextEncoder().encode(garbageBehind(item));
        return hasGarbage(item) ? [item, new Source.Rejected("is cut off", raw, raw.length)] : [item];
      });
    const source = Source.make<Item, never, true>({
      name,
      bounded: true,
      rejects: true,
      paced: false,
      splits: Effect.succeed(Object.keys(splits)),
      read: (split, from, batchRecordsMax) =>
        Stream.suspend(() => {
          const all = things(split);
          const batches: Array<Source.SourceBatch<Item>> = [];
          for (let at = Number(from ?? 0), size; at < all.length; at += size) {
            // Batches of any size, so that the job often takes a part of one.
            size = 1 + at * 7 % batchRecordsMax;
            const records = all.slice(at, at + size);
            batches.push({ records, positions: records.map((_, k) => at + k + 1) });
          }
          return Stream.fromIterable(batches);
        }),
    });
    return toRejected(Flow.from(source), name, sinkOf);
  },
  countOf: countWithGarbage,
  rejects: true,
  paced: false,
};

const ItemSchema = Schema.Struct({ id: Schema.Number, at: Schema.Number, k: Schema.Number, v: Schema.Number });

/** Files of lines, some of which are no JSON or blank. */
const ndjson: SourceKind = {
  name: "ndjson",
  from: (name, splits, { disk }, sinkOf) => {
    const pathOf = (split: string): string => `in/${name}/${split}`.replaceAll(" ", "-");
    for (const [split, items] of Object.entries(splits)) {
      const lines = items.flatMap((item) => {
        const line = `${JSON.stringify(item)}${item.id % 5 === 2 ? "\r\n\n" : "\n"}`;
        return hasGarbage(item) ? [line, `${garbageBehind(item)}\n`] : [line];
      });
      disk.put(pathOf(split), new TextEncoder().encode(lines.join("")));
    }
    const source = Source.ndjson(name, { paths: Object.keys(splits).map(pathOf), schema: ItemSchema });
    return toRejected(Flow.from(source), name, sinkOf);
  },
  countOf: countWithGarbage,
  rejects: true,
  paced: false,
};

const CsvItem = Schema.Struct({
  id: Schema.FiniteFromString,
  at: Schema.FiniteFromString,
  k: Schema.FiniteFromString,
  v: Schema.FiniteFromString,
});

/** Tables with a header, some of whose records do not match the Schema. */
const csv: SourceKind = {
  name: "csv",
  from: (name, splits, { disk }, sinkOf) => {
    const pathOf = (split: string): string => `in/${name}/${split}.csv`.replaceAll(" ", "-");
    for (const [split, items] of Object.entries(splits)) {
      const lines = items.flatMap((item) => {
        const line = `${item.id},"${item.at}",${item.k},${item.v}${item.id % 5 === 2 ? "\r\n" : "\n"}`;
        return hasGarbage(item) ? [line, `${garbageInCsv(item)}\n`] : [line];
      });
      disk.put(pathOf(split), new TextEncoder().encode(["id,at,k,v\n", ...lines].join("")));
    }
    const source = Source.csv(name, { paths: Object.keys(splits).map(pathOf), schema: CsvItem });
    return toRejected(Flow.from(source), name, sinkOf);
  },
  countOf: countWithGarbage,
  rejects: true,
  paced: false,
  garbage: garbageInCsv,
};

/** How long a source that comes in bursts is silent, in virtual milliseconds. */
const silenceMillis = 700;

/** Records that come in bursts, at a pace of their own. */
const bursty: SourceKind = {
  name: "bursty",
  from: (name, splits) =>
    Flow.from(
      Source.make({
        name,
        bounded: true,
        paced: true,
        splits: Effect.succeed(Object.keys(splits)),
        read: (split, from) =>
          Stream.suspend(() => {
            const first = Number(from ?? 0);
            return Stream.fromIterable(splits[split].slice(first)).pipe(
              Stream.mapEffect((item) =>
                item.id % 4 === 0 ? Effect.as(Effect.sleep(silenceMillis), item) : Effect.succeed(item)
              ),
              Stream.zipWithIndex,
              Stream.map(([item, k]) => ({ records: [item], positions: [first + k + 1] })),
            );
          }),
      }),
    ),
  countOf: () => 1,
  rejects: false,
  paced: true,
};

/** Every kind of source. */
export const sourceKinds: ReadonlyArray<SourceKind> = [array, rejecting, ndjson, csv, bursty];
