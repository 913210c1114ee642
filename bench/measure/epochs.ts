/**
 * How long each epoch of a running job takes to be made durable.
 *
 * A job tells the time that all of its commits took. It is looked at often enough that hardly ever two of them end between
 * two looks; where they do, each is taken to have lasted half as long as both.
 *
 * @module
 */
import type { Job } from "@weir/streams";
import { Effect, type Scope } from "effect";
import { median } from "./spread.ts";

/** What the epochs of a run have cost. */
export interface EpochCosts {
  readonly epochs: number;
  readonly bytesPerEpoch: number;
  /** How long writing an epoch took, until it counted; null where there was none. */
  readonly epochMillis: { readonly p50: number; readonly max: number } | null;
}

/** How often a job is looked at, in milliseconds: a look takes up to half of one. */
const lookMillis = 100;

/** Looks at a job until the scope closes. What it gives tells the costs, once the job's last metrics are known. */
export const watchEpochs = (
  running: Job.RunningJob,
): Effect.Effect<(last: Job.JobMetrics) => EpochCosts, never, Scope.Scope> =>
  Effect.gen(function* () {
    const millis: Array<number> = [];
    let committed = 0;
    let commitMillis = 0;
    const look = ({ epochs }: Job.JobMetrics): void => {
      const fresh = epochs.committed - committed;
      if (fresh <= 0) return;
      for (let k = 0; k < fresh; k++) millis.push((epochs.commitMillis - commitMillis) / fresh);
      ({ committed, commitMillis } = epochs);
    };
    yield* Effect.sleep(lookMillis).pipe(
      Effect.andThen(Effect.map(running.metrics, look)),
      Effect.forever,
      Effect.forkScoped,
    );
    return (last) => {
      look(last);
      const { epochs } = last;
      return {
        epochs: epochs.committed,
        bytesPerEpoch: epochs.committed === 0 ? 0 : epochs.bytes / epochs.committed,
        epochMillis: millis.length === 0 ? null : { p50: median(millis), max: Math.max(...millis) },
      };
    };
  });
