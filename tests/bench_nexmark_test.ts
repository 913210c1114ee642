/** The command `bench:nexmark`: what it prints, and whether its clock starts with the right event. */
import assert from "node:assert/strict";
import { Flow, Job, Sink } from "@weir/streams";
import { TestHarness } from "@weir/streams/testing";
import { Schedule } from "../bench/latency/schedule.ts";
import { spread } from "../bench/measure/spread.ts";
import { causesOf, noCause } from "../bench/nexmark/causes.ts";
import { eventsOf } from "../bench/nexmark/generator.ts";
import { rowsOf } from "../bench/nexmark/measured.ts";
import { queryOf } from "../bench/nexmark/queries.ts";
import { nexmarkSource } from "../bench/nexmark/source.ts";

const command = async (...args: ReadonlyArray<string>) => {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["run", "-P=nexmark", "--no-prompt", "--quiet", "bench/nexmark.ts", ...args],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout).trimEnd().split("\n"), error: text(stderr) };
};

/** How many events there are in a second of event time: few, so that windows end. */
const eventsPerSecond = 20;

/** The greatest times of each thousand events come first, so it is these that are fed one at a time. */
const groupSize = 1_000;
const fedAlone = 30;

/**
 * ```text
 * event    1,000   1,001   …   1,029   1,030 to 1,999   2,000   …
 * rows               │ │                 │                │
 *                    └─┴─ these have waited for event 1,001
 * ```
 */
for (const [name, events] of [["q14", 60], ["q5", 3_060], ["q11", 3_060], ["q19", 1_030]] as const) {
  Deno.test(`the latency of a row of ${name} counts from the event that brings it about`, () => {
    const measurement = {
      query: queryOf(name),
      events,
      seed: 3,
      eventsPerSecond,
      epochMillis: 1_000,
      folder: "no folder",
    };
    const source = nexmarkSource(measurement);
    const sink = Sink.memory<unknown>("rows");
    const harness = TestHarness.make(Job.make({
      name,
      guarantee: "exactly-once",
      flows: [rowsOf(measurement, source).pipe(Flow.to(sink))],
    }));
    const eventAt = eventsOf(measurement);
    const causeOf = causesOf(measurement, new Schedule(1_000));
    let exact = 0;
    for (let from = 0, to = 0; from < events; from = to) {
      to = from % groupSize < fedAlone ? from + 1 : Math.min(events, from - from % groupSize + groupSize);
      harness.push(source, Array.from({ length: to - from }, (_, k) => eventAt(from + k)));
      const causes = harness.take(sink).map(causeOf);
      // Of rows that are said again because of another one, only that one counts.
      const counted = causes.filter((cause) => cause !== noCause);
      assert.equal(counted.length > 0, causes.length > 0);
      for (const cause of counted) assert.ok(from <= cause && cause < to, `${cause}, of ${from} to ${to}`);
      if (to - from === 1) exact += counted.length;
    }
    assert.ok(exact >= 5, `${exact} rows`);
    harness.end();
    for (const row of harness.take(sink)) assert.equal(causeOf(row), noCause);
  });
}

/** What is printed of several rounds. */
interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

const isSpread = ({ median, min, max }: Spread): boolean => 0 < min && min <= median && median <= max;

Deno.test("of several rounds the figure is the median, with the least and the greatest", () => {
  assert.deepEqual(spread([30, 10, 20]), { median: 20, min: 10, max: 30 });
  assert.deepEqual(spread([40, 10, 20, 30]), { median: 25, min: 10, max: 40 });
});

Deno.test("the command prints every figure of each query, and draws them", async () => {
  await Deno.mkdir(".weir", { recursive: true });
  const folder = await Deno.makeTempDir({ dir: ".weir" });
  try {
    const plot = `${folder}/plot.svg`;
    const { code, out, error } = await command(
      ...["--json", "--queries=q5,q14", "--events=40000", "--rounds=1", `--plot=${plot}`],
      ...["--rate=20000", "--latency-rounds=1", "--latency-seconds=0.5", "--latency-warmup-seconds=0.2"],
    );
    assert.equal(code, 0, error);
    const { machine, settings, queries } = JSON.parse(out.at(-1)!);
    assert.ok(machine.cores >= 1 && machine.deno === Deno.version.deno);
    assert.deepEqual([settings.rounds, settings.seed, settings.sink], [1, 1, "none"]);
    assert.deepEqual(queries.map(({ query }: { query: string }) => query), ["q5", "q14"]);
    for (const one of queries) {
      assert.equal(one.events, 40_000);
      assert.equal(one.rounds, 1);
      for (
        const figure of ["seconds", "eventsPerSecond", "cpuSeconds", "results", "peakMemoryBytes", "bytesPerEpoch"]
      ) {
        assert.ok(isSpread(one[figure]), `${one.query} ${figure} ${JSON.stringify(one[figure])}`);
      }
      assert.ok(one.epochMillis.p50 <= one.epochMillis.max);
      assert.equal(one.latency.rate, 20_000);
      assert.ok(one.latency.handedOver.samples > 0);
    }
    const [, q14] = queries;
    const { inside, published } = q14.latency;
    assert.equal(inside.samples, published.samples);
    for (const { p50, p99, p999, max } of [inside, published]) {
      assert.ok(0 < p50 && p50 <= p99 && p99 <= p999 && p999 <= max);
    }
    assert.ok(inside.p50 <= published.p50);
    assert.match(out[0], /^query +events\/s/);
    assert.ok(out.some((line) => line.startsWith("q14 ")));
    const picture = await Deno.readTextFile(plot);
    assert.match(picture, /^<svg [^]*>q14<[^]*<\/svg>\n$/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("--check compares rows with those of the oracle, after a crash", async () => {
  const { code, out, error } = await command("--check", "--json", "--queries=q2,q11", "--events=10000");
  assert.equal(code, 0, error);
  const { check } = JSON.parse(out.at(-1)!);
  for (const { ok, results, expectedResults, digest, expectedDigest } of check) {
    assert.ok(ok && results > 0);
    assert.deepEqual([results, digest], [expectedResults, expectedDigest]);
  }
});

Deno.test("a query that there is not is refused", async () => {
  const { code, error } = await command("--queries=q5,q99");
  assert.equal(code, 2);
  assert.match(error, /--queries takes some of q0,q1,.*: current value is q99/);
});
