/**
 * Which files the sinks of a job write: two sinks that write one file would overwrite each other's rows.
 *
 * @module
 */
import { Effect } from "effect";
import { resolve } from "node:path";
import type { Sink } from "../exactly-once/sink.ts";
import { InvalidJob } from "./errors.ts";

/**
 * Makes sure that no sink writes the file of another one, or of the job's state, however the paths are written. Links are
 * not followed.
 *
 * @param state The file of the state, or null if it is in none.
 */
export const checkSinkFiles = (
  job: string,
  // deno-lint-ignore no-explicit-any -- whatever the sinks take
  sinks: Iterable<Sink<any, any>>,
  state: string | null,
): Effect.Effect<void, InvalidJob> => {
  const refuse = (rule: string, current: string): Effect.Effect<never, InvalidJob> =>
    Effect.fail(
      new InvalidJob({ message: `Cannot run job "${job}" as ${rule}: current value is ${current}`, job, rule }),
    );
  const found = new Map<string, { readonly sink: string; readonly shared: boolean }>();
  const ofState = state === null ? null : resolve(state);
  for (const { name, driver: { file } } of sinks) {
    if (file === undefined) continue;
    const path = resolve(file.path);
    if (path === ofState) {
      return refuse("a sink must not write the file of the job's state", `"${name}" in "${file.path}"`);
    }
    const other = found.get(path);
    if (other !== undefined && !(other.shared && file.shared)) {
      return refuse("two sinks must not write one file", `"${other.sink}" and "${name}" in "${file.path}"`);
    }
    found.set(path, { sink: name, shared: file.shared });
  }
  return Effect.void;
};
