/**
 * What rankings do, one rule a test.
 *
 * Records are written in order of arrival: who, and with how many points. What is said is written `1 bob 15`: the rank, who
 * has it now and with how many points. A dot stands between what different records brought about.
 */
import assert from "node:assert/strict";
import { Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { type CommitFate, memoryKv } from "../src/testing/memory-kv.ts";
import { run, runToEnd } from "./support.ts";

const Score = Schema.Struct({ game: Schema.String, player: Schema.String, points: Schema.Number, n: Schema.Number });
type Score = typeof Score.Type;

/** Scores of the game `g`, numbered in order of arrival. */
const arrive = (...scores: ReadonlyArray<readonly [player: string, points: number, game?: string]>): Array<Score> =>
  scores.map(([player, points, game = "g"], n) => ({ game, player, points, n }));

interface Case {
  readonly scores: ReadonlyArray<Score>;
  readonly n: number;
  readonly entriesMax?: number;
}

const jobOf = ({ scores, n, entriesMax = Infinity }: Case) => {
  const out = Sink.memory<Flow.Ranked<string, Score>>("out");
  const flow = Flow.from(Source.array("scores", scores)).pipe(
    Flow.keyBy(({ game }) => game),
    Flow.topN("leaders", { n, entriesMax, by: ({ points }) => points, id: ({ player }) => player, schema: Score }),
    Flow.to(out),
  );
  return { job: Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }), out };
};

const write = ({ key, rank, value }: Flow.Ranked<string, Score>): string =>
  `${key === "g" ? "" : `${key} `}${rank} ${value.player} ${value.points}`;

const check = async (
  plan: Case,
  expected: ReadonlyArray<string>,
  counted: { readonly forgotten: number; readonly uncertain: number } = { forgotten: 0, uncertain: 0 },
): Promise<void> => {
  const { job, out } = jobOf(plan);
  const { metrics } = await run(job, { keyedPartitions: 1 });
  assert.deepEqual(out.values().map(write), expected.filter((text) => text !== "."));
  assert.deepEqual(metrics.operators["leaders"], {
    records: plan.scores.length,
    results: expected.filter((text) => text !== ".").length,
    ...counted,
  });
};

Deno.test("a record that ranks is said, and so is all that it moves down, in ascending order of ranks", () =>
  check(
    { scores: arrive(["ada", 5], ["bob", 9], ["cy", 7], ["dee", 1]), n: 3 },
    ["1 ada 5", ".", "1 bob 9", "2 ada 5", ".", "2 cy 7", "3 ada 5", "."],
  ));

Deno.test("a record takes the place of the one before with its id", () =>
  check(
    { scores: arrive(["ada", 5], ["bob", 9], ["cy", 7], ["ada", 8], ["bob", 6]), n: 3 },
    [
      ...["1 ada 5", ".", "1 bob 9", "2 ada 5", ".", "2 cy 7", "3 ada 5"],
      ...[".", "2 ada 8", "3 cy 7", ".", "1 ada 8", "2 cy 7", "3 bob 6"],
    ],
  ));

Deno.test("one that falls brings back another that had fallen out", () =>
  check(
    { scores: arrive(["ada", 5], ["bob", 9], ["cy", 7], ["bob", 1]), n: 2 },
    ["1 ada 5", ".", "1 bob 9", "2 ada 5", ".", "2 cy 7", ".", "1 cy 7", "2 ada 5"],
  ));

Deno.test("of equals the one that came to its number first ranks higher, and keeps its place when it comes again", () =>
  check(
    { scores: arrive(["ada", 5], ["bob", 5], ["ada", 5], ["ada", 4], ["ada", 5]), n: 2 },
    ["1 ada 5", ".", "2 bob 5", ".", "1 ada 5", ".", "1 bob 5", "2 ada 4", ".", "2 ada 5"],
  ));

Deno.test("each key has a ranking of its own, under ids of its own", () =>
  check(
    { scores: arrive(["ada", 5], ["ada", 9, "h"], ["bob", 7]), n: 1 },
    ["1 ada 5", ".", "h 1 ada 9", ".", "1 bob 7"],
  ));

Deno.test("where entries are bounded, one that was forgotten is missing, and that is counted", () =>
  check(
    { scores: arrive(["ada", 5], ["bob", 9], ["cy", 7], ["bob", 1]), n: 1, entriesMax: 2 },
    ["1 ada 5", ".", "1 bob 9", ".", ".", "1 cy 7"],
    { forgotten: 1, uncertain: 0 },
  ));

Deno.test("a rank that might be that of a forgotten entry is counted as uncertain", () =>
  check(
    { scores: arrive(["ada", 5], ["bob", 9], ["bob", 1]), n: 1, entriesMax: 1 },
    ["1 ada 5", ".", "1 bob 9", ".", "1 bob 1"],
    { forgotten: 1, uncertain: 1 },
  ));

Deno.test("what is ranked by no number is a dead letter where the flow says so", async () => {
  const rejected = Sink.memory<string>("rejected");
  const out = Sink.memory<string>("out");
  const flow = Flow.from(Source.array("scores", arrive(["ada", 5], ["bob", NaN]))).pipe(
    Flow.keyBy(({ game }) => game),
    Flow.topN("leaders", { n: 1, by: ({ points }) => points, id: ({ player }) => player, schema: Score }),
    Flow.map(write),
    Flow.onError((letters) => letters.pipe(Flow.map(({ reason }) => reason), Flow.to(rejected)), { defects: true }),
    Flow.to(out),
  );
  await run(Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values(), ["1 ada 5"]);
  assert.deepEqual(rejected.values(), [
    "Cannot rank a record as what it is ranked by must be a number: current value is NaN",
  ]);
});

Deno.test("numbers that make no sense are refused", () => {
  const keyed = Flow.from(Source.array("scores", arrive(["ada", 5]))).pipe(Flow.keyBy(({ game }) => game));
  const refused = (n: number, entriesMax: number, message: string): void =>
    assert.throws(
      () =>
        keyed.pipe(
          Flow.topN("t", { n, entriesMax, by: ({ points }) => points, id: ({ player }) => player, schema: Score }),
        ),
      { name: "RangeError", message },
    );
  refused(0, 1, 'Cannot rank in "t" as n must be a whole number above 0: current value is 0');
  refused(3, 2, 'Cannot rank in "t" as entriesMax must be a whole number from n (3): current value is 2');
  refused(3, 3.5, 'Cannot rank in "t" as entriesMax must be a whole number from n (3): current value is 3.5');
});

Deno.test("totals that a window corrects are ranked as they are", async () => {
  const Total = Schema.Struct({ player: Schema.String, game: Schema.String, total: Schema.Number });
  const out = Sink.memory<string>("out");
  const flow = Flow.from(Source.array("scores", arrive(["ada", 5], ["bob", 4], ["bob", 3], ["ada", 1], ["ada", 2])))
    .pipe(
      Flow.eventTime({ timestamp: ({ n }) => n, watermark: Watermark.monotonic }),
      Flow.keyBy(({ game, player }) => [game, player]),
      Flow.window("totals", {
        assigner: Window.tumbling(100),
        trigger: Trigger.repeatedly(Trigger.afterCount(1)),
        aggregate: Aggregate.sum(({ points }) => points),
        late: "drop",
      }),
      Flow.map(({ key: [game, player], value }) => ({ game, player, total: value })),
      Flow.keyBy(({ game }) => game),
      Flow.topN("leaders", { n: 2, by: ({ total }) => total, id: ({ player }) => player, schema: Total }),
      Flow.map(({ rank, value }) => `${rank} ${value.player} ${value.total}`),
      Flow.to(out),
    );
  await run(Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values(), [
    ...["1 ada 5", "2 bob 4", "1 bob 7", "2 ada 5", "2 ada 6", "1 ada 8", "2 bob 7"],
  ]);
});

// ---------------------------------------------------------------------------------------------------------------------
// Any records

/** What must be said of one key: after each record all entries are ranked anew, and compared with what was said before. */
const oracle = (scores: ReadonlyArray<Score>, n: number): Array<string> => {
  const said: Array<string> = [];
  const stands: Array<string> = [];
  scores.forEach((_, k) => {
    const seen = scores.slice(0, k + 1);
    const players = [...new Set(seen.map(({ player }) => player))];
    const entries = players.map((player) => {
      const own = seen.filter((score) => score.player === player);
      const value = own[own.length - 1];
      const other = own.findLastIndex(({ points }) => points !== value.points);
      return { value, since: own[other + 1].n };
    });
    const ranking = entries.sort((one, other) => other.value.points - one.value.points || one.since - other.since);
    ranking.slice(0, n).forEach(({ value }, rank) => {
      // A record is told from others by its number, so one that says the same again is said again.
      const text = `${rank + 1} ${value.player} ${value.points} #${value.n}`;
      if (stands[rank] !== text) said.push(text);
      stands[rank] = text;
    });
  });
  return said;
};

const runPlan = async (
  plan: Case,
  { faults, ...setting }: Omit<Job.RunOptions, "kv"> & {
    readonly faults: ReadonlyArray<readonly [number, CommitFate]>;
  },
) => {
  const { job, out } = jobOf(plan);
  const kv = memoryKv();
  const fates = new Map(faults);
  kv.onCommit((commit) => fates.get(commit) ?? "ok");
  const { metrics } = await runToEnd(job, { kv, ...setting });
  const said = (game: string): Array<string> =>
    out.values().filter(({ key }) => key === game)
      .map(({ rank, value }) => `${rank} ${value.player} ${value.points} #${value.n}`);
  return { said, counters: metrics.operators["leaders"] };
};

const scores = (points: fc.Arbitrary<number>): fc.Arbitrary<Array<Score>> =>
  fc.array(fc.tuple(fc.constantFrom(..."abcdefgh"), points, fc.constantFrom("g", "h")), { maxLength: 50, size: "max" })
    .map((all) => arrive(...all));

/** Scores of which none is less than those of the same player before. */
const risingScores = scores(fc.integer({ min: 0, max: 3 })).map((all) => {
  const totals = new Map<string, number>();
  return all.map((score) => {
    const id = `${score.game} ${score.player}`;
    totals.set(id, (totals.get(id) ?? 0) + score.points);
    return { ...score, points: totals.get(id)! };
  });
});

const settings = fc.record({
  epochRecordsMax: fc.constantFrom(1, 3, 10, 1_000),
  batchRecordsMax: fc.constantFrom(1, 2, 7, 1_024),
  keyedPartitions: fc.constantFrom(1, 3),
  faults: fc.array(
    fc.tuple(fc.nat(30), fc.constantFrom<CommitFate>("crash-before", "crash-after", "fail-before", "fail-after")),
    { minLength: 1, maxLength: 4 },
  ),
});

Deno.test("any records are ranked as the definition says, whatever crashes", async () => {
  await fc.assert(
    fc.asyncProperty(
      scores(fc.integer({ min: 0, max: 9 })),
      fc.integer({ min: 1, max: 5 }),
      settings,
      async (scores, n, setting) => {
        const { said } = await runPlan({ scores, n }, setting);
        for (const game of ["g", "h"]) {
          assert.deepEqual(said(game), oracle(scores.filter((score) => score.game === game), n));
        }
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("where numbers only rise, a ranking with bounded entries is that with all of them", async () => {
  await fc.assert(
    fc.asyncProperty(
      risingScores,
      fc.integer({ min: 1, max: 4 }),
      fc.nat(2),
      settings,
      async (scores, n, more, setting) => {
        const { said } = await runPlan({ scores, n, entriesMax: n + more }, setting);
        for (const game of ["g", "h"]) {
          assert.deepEqual(said(game), oracle(scores.filter((score) => score.game === game), n));
        }
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("where no rank is uncertain, a ranking with bounded entries is that with all of them", async () => {
  let certain = 0;
  let uncertain = 0;
  await fc.assert(
    fc.asyncProperty(
      scores(fc.integer({ min: 0, max: 9 })),
      fc.integer({ min: 1, max: 3 }),
      fc.nat(3),
      settings,
      async (scores, n, more, setting) => {
        const { said, counters } = await runPlan({ scores, n, entriesMax: n + more }, setting);
        const undisturbed = await runPlan({ scores, n, entriesMax: n + more }, { ...setting, faults: [] });
        assert.deepEqual(counters, undisturbed.counters);
        const right = ["g", "h"].every((game) => {
          const shows = (texts: ReadonlyArray<string>): ReadonlyArray<string | undefined> =>
            Array.from({ length: n }, (_, rank) => texts.findLast((text) => text.startsWith(`${rank + 1} `)));
          const own = scores.filter((score) => score.game === game);
          return shows(said(game)).join() === shows(oracle(own, n)).join();
        });
        if ((counters?.uncertain ?? 0) > 0) uncertain++;
        else if ((counters?.forgotten ?? 0) > 0) certain++;
        assert.ok(right || counters.uncertain > 0);
      },
    ),
    { numRuns: 300 },
  );
  assert.ok(certain > 5 && uncertain > 5, `${certain} rankings forgot and were certain, ${uncertain} were not`);
});
