/**
 * Runs the job from an empty state, then reads its table as any other program would, and prints it.
 *
 * ```sh
 * deno run -P examples/campaign-metrics/main.ts
 * ```
 *
 * @module
 */
import { Effect } from "effect";
import { Job } from "@weir/streams";
import { isClick } from "./events.ts";
import { campaignMetrics, count } from "./job.ts";

const [folder = ".weir/campaign-metrics"] = Deno.args;

/** A row of the table. */
interface Row {
  readonly campaign: string;
  readonly windowStart: string;
  readonly impressions: number;
  readonly clicks: number;
  readonly spend: number;
  readonly clickThroughRate: number;
}

const kvFiles = ["state.kv", "campaigns.kv"].flatMap((name) => [name, `${name}-shm`, `${name}-wal`]);

await Deno.mkdir(folder, { recursive: true });
for (const name of [...kvFiles, "corrections.ndjson"]) {
  await Deno.remove(`${folder}/${name}`).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

console.log(`${count} impressions and clicks are on their way …`);
await Effect.runPromise(Job.run(campaignMetrics(folder), { state: `${folder}/state.kv` }));

// The table is an ordinary Deno KV file.
using kv = await Deno.openKv(`${folder}/campaigns.kv`);
const rows = (await Array.fromAsync(kv.list<Row>({ prefix: ["campaigns"] }))).map(({ value }) => value);
const corrections = (await Deno.readTextFile(`${folder}/corrections.ndjson`)).split("\n").length - 1;

const sum = (of: ReadonlyArray<Row>, column: "impressions" | "clicks" | "spend") =>
  of.reduce((total, row) => total + row[column], 0);

/** Campaign, when, impressions, clicks, spend, click-through rate. */
const line = (...[first, ...others]: ReadonlyArray<string>) =>
  `${first.padEnd(14)}${others.map((text) => text.padStart(13)).join("")}`;
const numbers = (of: ReadonlyArray<Row>) => {
  const [impressions, clicks] = [sum(of, "impressions"), sum(of, "clicks")];
  return [
    String(impressions),
    String(clicks),
    `$${sum(of, "spend").toFixed(3)}`,
    `${(clicks / impressions * 100).toFixed(1)} %`,
  ];
};

console.log(`\n${line("campaign", "windows", "impressions", "clicks", "spend", "clicked")}`);
for (const [campaign, all] of Map.groupBy(rows, (row) => row.campaign)) {
  console.log(line(campaign, String(all.length), ...numbers(all)));
}

const { campaign } = rows[0];
console.log(`\n${line(`${campaign}:`, "window")}`);
for (const row of rows.slice(1, 5)) {
  console.log(line("", row.windowStart.slice(11, 19), ...numbers([row])));
}

// Impressions never come too late, so each of them must be in the table.
const expected = Array.from({ length: count }, (_, index) => index).filter((index) => !isClick(index)).length;
const matches = sum(rows, "impressions") === expected;
console.log(`\n${sum(rows, "impressions")} of ${expected} impressions are in the table`);
console.log(
  `campaign-metrics: ${count} events, ${rows.length} windows, ${sum(rows, "clicks")} clicks, ${corrections} late, ` +
    (matches ? "totals match" : "totals differ"),
);
Deno.exit(matches ? 0 : 1);
