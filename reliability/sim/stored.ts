/**
 * What a stopped world has stored: how many records of each split its last committed epoch has seen.
 */
import assert from "node:assert/strict";
import { Effect, Exit } from "effect";
import type { Job } from "@weir/streams";
import { openEpochStore } from "../../src/exactly-once/open-epoch-store.ts";
import { decodeManifest, manifestKey } from "../../src/kv-state/manifest.ts";
import { segmentsPrefix } from "../../src/kv-state/segment.ts";
import { fingerprints } from "../../src/streams/job.ts";
import { World } from "../../src/testing/simulation/world.ts";
import type { Outside } from "./outside.ts";

/** The part of an epoch's control value that is looked at. */
interface Control {
  readonly splits: ReadonlyArray<readonly [source: string, split: string, progress: { readonly count: number }]>;
}

/** How many records were read of a split, by the name of its source and by its place among the splits of that. */
export const storedCounts = (
  { kv }: Outside,
  job: Job.Job<never>,
  keyedPartitions: number,
): (source: string, split: number) => number => {
  const world = new World({ seed: 0 });
  let control: Control | undefined;
  let failure: unknown = null;
  const look = Effect.gen(function* () {
    const store = yield* openEpochStore(yield* kv.open("simulated.kv"), {
      job: job.name,
      keyedPartitions,
      fingerprints: fingerprints(job),
    });
    return store.recovered.control as Control | undefined;
  });
  world.spawn("a look").run(Effect.scoped(look), (exit) => {
    if (Exit.isSuccess(exit)) control = exit.value;
    else failure = exit.cause;
  });
  world.settle();
  if (failure !== null) throw failure;
  return (source, split) => control?.splits.filter(([name]) => name === source)[split]?.[2].count ?? 0;
};

/**
 * Checks that nothing is left behind by processes that lost the job: every segment is named by the manifest or was written
 * under the last claim.
 */
export const checkTidy = ({ kv }: Outside, job: string): void => {
  const entries = kv.entries("simulated.kv");
  const sealed = entries.find(({ key }) => key.join("/") === manifestKey(job).join("/"));
  assert.ok(sealed !== undefined, "there is a manifest");
  const manifest = Effect.runSync(decodeManifest(job, sealed.value));
  const named = new Set(
    [manifest.control, ...manifest.state, ...manifest.outbox.map(({ segment }) => segment)]
      .flatMap((ref) => ref === null ? [] : [[ref.epoch, ref.claim, ref.attempt, ref.part].join("/")]),
  );
  const { length } = segmentsPrefix(job);
  for (const { key } of entries) {
    if (key[2] !== segmentsPrefix(job)[2]) continue;
    const [epoch, claim, attempt, part] = key.slice(length);
    const name = [epoch, claim, attempt, part].join("/");
    assert.ok(claim === manifest.claim || named.has(name), `segment ${name} was left behind by an earlier owner`);
  }
};
