/**
 * Gathers the shares of an epoch: an epoch can be committed when every actor has handed in what it did before the barrier.
 *
 * @module
 */
import type { Delta } from "../kv-state/delta.ts";
import type { EpochCommit } from "./epoch-store.ts";

/** The rows that one actor has for one sink, each with the round it came from. */
export interface SinkShare {
  readonly sink: string;
  readonly rows: ReadonlyArray<unknown>;
  /** Parallel to `rows`; ascending. */
  readonly rounds: ReadonlyArray<number>;
  readonly bytes: number;
}

/** What one actor did between two barriers. */
export interface EpochShare {
  readonly deltas: ReadonlyArray<Delta>;
  /** What its operators must remember, by operator and keyed partition. */
  readonly snapshots: ReadonlyArray<readonly [operator: string, partition: number, snapshot: unknown]>;
  readonly outputs: ReadonlyArray<SinkShare>;
}

/** The rows of an epoch for one sink, in their final order. */
export interface CollectedOutput {
  readonly sink: string;
  readonly rows: ReadonlyArray<unknown>;
  readonly bytes: number;
}

/** A whole epoch, ready to be committed. */
export interface CollectedEpoch extends Pick<EpochCommit, "epoch" | "deltas"> {
  readonly last: boolean;
  readonly snapshots: EpochShare["snapshots"];
  readonly outputs: ReadonlyArray<CollectedOutput>;
}

/**
 * Collects one epoch at a time.
 *
 * The rows of a sink are put in order of their rounds, and within a round in the order of the actors. Both are the same
 * in every run over the same input, so the output is too.
 */
export class EpochCollector {
  readonly #actors: number;
  readonly #onComplete: (epoch: CollectedEpoch) => void;
  #shares: Array<EpochShare | undefined> = [];
  #received = 0;

  constructor(actors: number, onComplete: (epoch: CollectedEpoch) => void) {
    this.#actors = actors;
    this.#onComplete = onComplete;
  }

  /** Hands in the share of an actor. */
  add(actor: number, epoch: number, last: boolean, share: EpochShare): void {
    this.#shares[actor] = share;
    if (++this.#received < this.#actors) return;
    const shares = this.#shares as Array<EpochShare>;
    this.#shares = [];
    this.#received = 0;
    this.#onComplete({
      epoch,
      last,
      deltas: shares.flatMap((one) => one.deltas),
      snapshots: shares.flatMap((one) => one.snapshots),
      outputs: inOrder(shares),
    });
  }
}

const inOrder = (shares: ReadonlyArray<EpochShare>): ReadonlyArray<CollectedOutput> => {
  const bySink = new Map<string, Array<SinkShare>>();
  for (const { outputs } of shares) {
    for (const output of outputs) {
      const sofar = bySink.get(output.sink);
      if (sofar === undefined) bySink.set(output.sink, [output]);
      else sofar.push(output);
    }
  }
  return [...bySink].map(([sink, parts]) => ({
    sink,
    rows: parts.length === 1 ? parts[0].rows : mergeByRound(parts),
    bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
  }));
};

const mergeByRound = (parts: ReadonlyArray<SinkShare>): ReadonlyArray<unknown> => {
  const all = parts.flatMap(({ rows, rounds }) => rows.map((row, k) => ({ row, round: rounds[k] })));
  return all.sort((a, b) => a.round - b.round).map(({ row }) => row);
};
