/**
 * The marker of a table: another program may have written what is found in its place.
 *
 * @module
 */
import { Effect } from "effect";
import assert from "node:assert/strict";
import { Sink } from "@weir/streams";
import type { Kv, KvProvider } from "../../../src/kv-state/kv.ts";
import type { Target } from "../target.ts";
import { clonable, number } from "../values.ts";

const context = {
  job: "job",
  lineage: "run",
  claim: "claim",
  published: 3,
  publishedOffset: { rows: 5, bytes: 50 },
  committed: 4,
  committedOffset: { rows: 8, bytes: 80 },
  checkClaim: Effect.void,
};

const sound = { lineage: "run", claim: "claim", epoch: 3, chunk: 1, complete: true, rows: 5 };

/** Markers of any kind. */
export const tableMarkers: Target = {
  name: "table-marker",
  about: "anything in the place of a table's marker, to the opening of the table",
  rejects: ["SinkError", "StateBehindOutput"],
  check: async (draw) => {
    const name = draw.oneOf(Object.keys(sound) as Array<keyof typeof sound>);
    const value = draw.once(4)
      ? clonable(draw)
      : { ...sound, [name]: draw.once(3) ? number(draw) : draw.oneOf([clonable(draw, 1), sound[name]]) };
    const kv: Kv = {
      get: (key) => Effect.succeed({ key, value, versionstamp: "1" }),
      getMany: () => Effect.succeed([]),
      list: () => Effect.succeed([]),
      commit: () => Effect.succeed("2"),
    };
    const provider: KvProvider = { open: () => Effect.succeed(kv) };
    const { driver } = Sink.table<number>("t", {
      path: "t.kv",
      key: (n) => [n],
      value: (n) => n,
      kv: provider,
    });
    const writer = await Effect.runPromise(Effect.scoped(driver.open(context)));
    assert.ok(writer.marker !== null && Number.isSafeInteger(writer.marker) && writer.marker <= context.committed);
    return "accepted";
  },
};
