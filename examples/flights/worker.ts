/**
 * The process that `demo --crash` kills: the same job, its files in a folder of its own, telling how far it is.
 *
 * @module
 */
import { Job } from "@weir/streams";
import { departures, flightDelays } from "./job.ts";
import { paced } from "./paced.ts";
import { progressOf } from "./progress.ts";

const [folder, recordsPerSecond] = Deno.args;

let told = "";

await Job.main(flightDelays(folder, paced(departures, Number(recordsPerSecond))), {
  state: `${folder}/state.kv`,
  epochInterval: "200 millis",
  batchRecordsMax: 64,
  progressInterval: 5,
  onProgress: (metrics) => {
    const { epoch, records, position } = progressOf(metrics);
    // Before the state is recovered there is nothing to tell.
    if (metrics.splits.length === 0) return;
    const line = JSON.stringify({ epoch, records, position });
    if (line !== told) console.log(line);
    told = line;
  },
});
