/**
 * Rankings in a flow: the greatest few of each key, kept up to date.
 *
 * @module
 */
import type { Key } from "../kv-state/key.ts";
import { codec, describe, type StateSchema } from "../windows/aggregates/state-schema.ts";
import type { Keyed, Update } from "./flow-states.ts";
import { type Flow, nodeOf, toFlow } from "./flow.ts";
import type { TopNNode } from "./node.ts";
import type { Ranked } from "./ranked.ts";

/** What is ranked, and how far down. */
export interface TopNOptions<A> {
  /** How many ranks there are. */
  readonly n: number;
  /** What records are ranked by: the greatest first. Of equals, the one that came to its number first. */
  readonly by: (value: A) => number;
  /** What a record is about: it takes the place of the record before with the same id and key. */
  readonly id: (value: A) => Key;
  /**
   * Records are kept in the state, so they come with their Schema. One that it refuses ends the job with a `UserCodeError`
   * when the epoch ends.
   */
  readonly schema: StateSchema<A>;
  /**
   * How many ids of a key are kept, at least `n`; the least are forgotten.
   *
   * @default {Infinity}
   */
  readonly entriesMax?: number;
}

/**
 * Keeps a ranking of each key: the `n` records with the greatest numbers, one for each id.
 *
 * A record takes the place of the one before with its id. Every rank that this changes is said at once, in ascending
 * order, as `{ key, rank, value }`. That stands until the same rank of the same key is said again, so a table whose key
 * is `[row.key, row.rank]` always shows the ranking. A key has as many ranks as it has ids, up to `n`, and never loses one.
 *
 * The corrections of an updating flow may be ranked as they are, under an id and a key that they share with what they
 * correct: of a window, without panes that take each other back.
 *
 * All ids of a key are kept, as any may rise when a greater one falls: the state grows with them. `entriesMax` bounds it.
 * An id that is forgotten comes back with its next record. If numbers only rise, as totals do, the ranking is right for
 * any bound. If they fall, an id that was forgotten may be missing. The counter `uncertain` says how many ranks
 * were said where that might be so: while it is 0 every rank is right. `forgotten` counts the ids.
 *
 * A number that is not one (NaN) is treated as if `by` had thrown: the job fails with the record's coordinates, or the
 * record becomes a dead letter where the flow says `Flow.onError(…, { defects: true })`.
 *
 * `name` identifies the state. It stays the same when the code around it changes.
 *
 * @throws {RangeError} If `n` is not a whole number above 0, or `entriesMax` is less than `n` or not a whole number.
 *
 * @example
 * ```ts
 * import { Schema } from "effect";
 * import { Flow, Sink, Source } from "@weir/streams";
 *
 * const schema = Schema.Struct({ game: Schema.String, player: Schema.String, points: Schema.Number });
 * const scores = [{ game: "chess", player: "ada", points: 12 }, { game: "chess", player: "bob", points: 15 }];
 * const leaders = Flow.from(Source.array("scores", scores)).pipe(
 *   Flow.keyBy((score) => score.game),
 *   Flow.topN("leaders", { n: 3, by: (score) => score.points, id: (score) => score.player, schema }),
 *   Flow.to(Sink.table("leaders", { path: "leaders.kv", key: (row) => [row.key, row.rank], value: (row) => row.value })),
 * );
 * ```
 */
export const topN = <A, K>(
  name: string,
  options: TopNOptions<NoInfer<A>>,
): <R, T, M, S>(
  self: Flow<A, never, R, Keyed<K>, T, M, S>,
) => Flow<Ranked<K, A>, never, R, Keyed<K>, T, Update, S> =>
(self) => {
  const { n, by, id, schema, entriesMax = Infinity } = options;
  if (!Number.isSafeInteger(n) || n <= 0) {
    throw new RangeError(`Cannot rank in "${name}" as n must be a whole number above 0: current value is ${n}`);
  }
  if (!(entriesMax === Infinity || Number.isSafeInteger(entriesMax)) || entriesMax < n) {
    throw new RangeError(
      `Cannot rank in "${name}" as entriesMax must be a whole number from n (${n}): current value is ${entriesMax}`,
    );
  }
  const node: TopNNode = {
    _tag: "TopN",
    name,
    input: nodeOf(self),
    n,
    by: by as (value: unknown) => number,
    id: id as (value: unknown) => Key,
    entriesMax,
    stored: codec(schema),
    description: `topN(n=${n},entriesMax=${entriesMax}) ${describe(schema)}`,
  };
  return toFlow(node);
};
