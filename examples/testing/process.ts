/**
 * Runs the job of a folder: `deno run -P examples/testing/process.ts FOLDER`.
 *
 * @module
 */
import { Job } from "@weir/streams";
import { salesIn } from "./sales.ts";

const [folder] = Deno.args;

if (import.meta.main) {
  await Job.main(salesIn(folder).job, { state: `${folder}/state.kv`, epochRecordsMax: 250 });
}
