/** Simulating jobs: what is right passes, and each planted mistake is found and named. */
import assert from "node:assert/strict";
import { Context, Effect, Random, Schema, Stream } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { simulate, type SimulateReport, SimulationFailed } from "@weir/streams/testing";
import { plans, small, withEffects } from "./plans/arbitraries.ts";
import { type Ends, jobOf } from "./plans/flows.ts";
import type { Item } from "./plans/plan.ts";
import { writePlan } from "./plans/write.ts";

interface Click {
  readonly user: string;
  readonly at: number;
}

const clicks: ReadonlyArray<Click> = Array.from({ length: 200 }, (_, k) => ({
  user: `user ${k % 5}`,
  at: k * 1_000 - (k * 7_919) % 9_000,
}));

/** A job without state whose function is given. */
const mapping = (f: (click: Click, index: number) => unknown): Job.Job<never> => {
  let index = 0;
  return Job.make({
    name: "mapping",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("clicks", clicks)).pipe(
        Flow.map((click) => f(click, index++)),
        Flow.to(Sink.memory("out")),
      ),
    ],
  });
};

const counting = (sink: Sink.Sink<unknown, Sink.Transactional | Sink.Idempotent> = Sink.memory("counts")) =>
  Job.make({
    name: "counting",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("clicks", clicks)).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness("5 seconds") }),
        Flow.keyBy(({ user }) => user),
        Flow.window("per-minute", {
          assigner: Window.tumbling("1 minute"),
          aggregate: Aggregate.count,
          late: Sink.memory("late"),
        }),
        Flow.to(sink),
      ),
    ],
  });

/** What a simulation fails with. */
const failure = async (simulating: Promise<SimulateReport>): Promise<SimulationFailed> => {
  try {
    await simulating;
  } catch (error) {
    if (error instanceof SimulationFailed) return error;
    throw error;
  }
  return assert.fail("nothing was found");
};

Deno.test("a job that keeps its promise passes, and the report says what it has gone through", async () => {
  const { seeds, records, rows, processes, killed, faults } = await simulate(counting(), { seeds: 60 });
  assert.deepEqual([seeds, records, rows.counts], [60, 200, 24]);
  assert.ok(rows.late > 0);
  assert.ok(killed > 5 && processes > seeds + killed / 2, `${processes} processes, ${killed} killed`);
  const kinds = Object.keys(faults);
  for (const kind of ["crash", "crash-before", "crash-after", "fail", "fail-after", "pause", "rival", "hang", "full"]) {
    assert.ok(kinds.includes(kind), `${kind} happened: ${kinds}`);
  }
});

Deno.test("only the wanted faults happen, and none where none are wanted", async () => {
  const { faults } = await simulate(counting(), { seeds: 10, faults: { kinds: ["crash-after"], most: 2 } });
  assert.deepEqual(Object.keys(faults), ["crash-after"]);
  const { killed, ...others } = await simulate(counting(), { seeds: 3, faults: { most: 0 } });
  assert.deepEqual([killed, others.faults, others.processes], [0, {}, 3]);
});

Deno.test("one seed always does the same", async () => {
  const options = { seeds: 5, seed: 40 };
  assert.deepEqual(await simulate(counting(), options), await simulate(() => counting(), options));
});

// ---------------------------------------------------------------------------------------------------------------------
// Sinks

/** A table of rows in memory, with an epoch beside it; it is asked to look at that epoch, or not to. */
const ownSink = (looks: boolean) => () => {
  const database = { epoch: 0, rows: [] as Array<string> };
  const sink = Sink.transactional("own", {
    encode: (result: unknown) => JSON.stringify(result),
    byteLength: (row) => row.length,
    open: (_context) =>
      Effect.succeed({
        marker: looks ? database.epoch : null,
        publish: ({ epoch, rows }) =>
          Effect.sync(() => {
            if (looks && epoch <= database.epoch) return;
            database.rows.push(...rows);
            database.epoch = epoch;
          }),
      }),
  });
  return { job: counting(sink), outputs: { own: () => database.rows } };
};

Deno.test("a sink of one's own that keeps its promise passes", async () => {
  const { rows } = await simulate(ownSink(true), { seeds: 60 });
  assert.equal(rows.own, 24);
});

//  process 1   publishes epoch n ── dies, or hears nothing
//  process 2                                         publishes epoch n
Deno.test("a sink that does not look at the epoch is found to repeat rows, with the one fault that is enough for it", async () => {
  const failed = await failure(simulate(ownSink(false)));
  assert.match(
    failed.rule,
    /^its output must be the same .* sink "own" has \d+ rows instead of 24: \d+ repeated; first at /,
  );
  assert.equal(failed.faults.length, 1, failed.message);
  const [fault] = failed.faults;
  // Whatever it is: what was published was not known to be when the job went on.
  assert.ok(
    [
      "crash-after",
      "fail-after",
      "crash",
      "pause",
      "rival",
      "crash-before",
      "crash-late",
      "fail",
      "full",
      "locked",
      "fail-late",
    ].includes(fault.kind),
    fault.kind,
  );
  const lines = failed.message.split("\n");
  assert.match(
    lines[0],
    /^Cannot pass job "counting" as its output must be the same with and without faults: sink "own"/,
  );
  assert.equal(
    lines[1],
    `  with seed ${failed.seed}: to see it again, simulate with { seed: ${failed.seed}, seeds: 1 } and all else as before`,
  );
  assert.equal(lines[2], "  these faults are enough for it:");
  assert.equal(
    lines[3],
    `    ${fault.port} ${fault.index}: ${fault.kind}${(fault.times ?? 1) > 1 ? `, ${fault.times} times` : ""}`,
  );
  assert.equal(lines[4], "  what happened:");
  assert.match(lines[5], /^ +0 ms {2}process 1: starts$/);
  assert.ok(
    lines.some((line) => / ms {2}process \d+: publishes epoch \d+ to own, \d+ rows/.test(line)),
    failed.message,
  );
  // It is seen again, word for word.
  const again = await failure(simulate(ownSink(false), { seed: failed.seed!, seeds: 1 }));
  assert.equal(again.message, failed.message);
});

Deno.test("under at-least-once rows of an append-only sink may come twice, but none may be missing", async () => {
  const make = (loses: boolean) => () => {
    const sent: Array<number> = [];
    let opened = 0;
    const sink = Sink.appendOnly("sent", {
      encode: ({ at }: Click) => at,
      byteLength: () => 8,
      open: (_context) =>
        Effect.sync(() => {
          // It begins anew when it is opened a second time.
          if (loses && ++opened === 2) sent.length = 0;
          return { marker: null, publish: ({ rows }) => Effect.sync(() => void sent.push(...rows)) };
        }),
    });
    const job = Job.make({
      name: "sending",
      guarantee: "at-least-once",
      flows: [Flow.from(Source.array("clicks", clicks)).pipe(Flow.to(sink))],
    });
    return { job, outputs: { sent: () => sent } };
  };
  await simulate(make(false), { seeds: 40 });
  const failed = await failure(simulate(make(true), { seeds: 100 }));
  assert.match(failed.rule, /sink "sent" has \d+ rows instead of 200: \d+ missing/);
});

// ---------------------------------------------------------------------------------------------------------------------
// Pipelines that are not deterministic

const unsteady: ReadonlyArray<readonly [name: string, job: Job.Job<never> | (() => Job.Job<never>), message: RegExp]> =
  [
    [
      "Math.random",
      mapping(({ user }) => ({ user, sample: Math.random() < 0.5 })),
      /sink "out" differs at row \d+ between two runs without faults that differ in nothing, so a function keeps state of/,
    ],
    [
      "a counter in a closure, in a job that is handed over as it is",
      mapping(({ user }, index) => ({ user, index })),
      /sink "out" differs at row 1 between two runs without faults that differ in nothing, so a function keeps state of/,
    ],
    [
      "the real clock",
      mapping(({ user }) => ({ user, now: Date.now() })),
      /differ in nothing, so .* asks the world outside, such as for the real time or for chance that is not Effect's Random/,
    ],
    [
      "windows by the clock",
      Job.make({
        name: "by the clock",
        guarantee: "exactly-once",
        flows: [
          Flow.from(Source.array("clicks", clicks)).pipe(
            Flow.keyBy(({ user }) => user),
            Flow.window("per-second", {
              assigner: Window.tumblingProcessingTime("1 second"),
              aggregate: Aggregate.count,
              late: "drop",
            }),
            Flow.to(Sink.memory("out")),
          ),
        ],
      }),
      /differs at row 1 between two runs .* differ in the clock, and how fast it goes only, so the pipeline depends on processing time/,
    ],
    [
      "Effect's Random",
      Job.make({
        name: "sampling",
        guarantee: "exactly-once",
        flows: [
          Flow.from(Source.array("clicks", clicks)).pipe(
            Flow.mapEffect((click) => Effect.map(Random.next, (random) => ({ ...click, random }))),
            Flow.to(Sink.memory("out")),
          ),
        ],
      }),
      /differ in the seed of Effect's Random only, so the pipeline draws random numbers/,
    ],
  ];

for (const [name, job, message] of unsteady) {
  Deno.test(`the output of a pipeline with ${name} is not deterministic, and it is said why`, async () => {
    const failed = await failure(simulate(job, { seeds: 1 }));
    assert.match(failed.rule, message);
    assert.equal(failed.seed, null);
    assert.match(failed.message, /^Cannot pass job "[a-z ]+" as it must be deterministic: /);
  });
}

Deno.test("Effects that answer by what others have asked before them differ with the order of fibers", async () => {
  // Two flows share a number outside of the engine.
  const make = () => {
    let calls = 0;
    const numbered = (name: string) =>
      Flow.from(Source.array(name, clicks)).pipe(
        Flow.mapEffect(({ at }) => Effect.andThen(Effect.yieldNow, Effect.sync(() => [at, calls++]))),
        Flow.to(Sink.memory(`numbers of ${name}`)),
      );
    return Job.make({ name: "shared", guarantee: "exactly-once", flows: [numbered("web"), numbered("app")] });
  };
  const failed = await failure(simulate(make, { seeds: 1 }));
  assert.match(failed.rule, /differ in the order in which fibers have their turn only, so functions share state/);
});

Deno.test("a function that counts batches differs with how many records are read at once", async () => {
  const make = () => {
    let batches = 0;
    const source = Source.array("clicks", clicks);
    // What it knows of batches it has from its source, which notes in every record where its batch began.
    const marked = Source.make<Click & { readonly first: boolean }>({
      name: "clicks",
      bounded: true,
      splits: source.splits,
      read: (split, from, batchRecordsMax) =>
        source.read(split, from, batchRecordsMax).pipe(
          Stream.map((batch) => ({
            ...batch,
            records: batch.records.map((record, k) => ({ ...record as Click, first: k === 0 })),
          })),
        ),
    });
    return Job.make({
      name: "batches",
      guarantee: "exactly-once",
      flows: [
        Flow.from(marked).pipe(
          Flow.map(({ at, first }) => ({ at, batches: batches += first ? 1 : 0 })),
          Flow.to(Sink.memory("out")),
        ),
      ],
    });
  };
  const failed = await failure(simulate(make, { seeds: 1 }));
  assert.match(
    failed.message,
    /^Cannot pass job "batches" as source "clicks" must yield the same records whenever a split is read from one position: current value is split "0", whose record 8 is .*"first":false.*, but .*"first":true.* when it is read in batches of 7 records$/,
  );
});

Deno.test("a source that goes on at the wrong record is found before anything is simulated", async () => {
  const shifted = Source.make<number>({
    name: "shifted",
    bounded: true,
    splits: Effect.succeed(["all"]),
    read: (_split, from, batchRecordsMax) =>
      Stream.range(Number(from ?? 0) + (from === null ? 0 : 1), 99).pipe(
        Stream.rechunk(batchRecordsMax),
        Stream.chunks,
        Stream.map((records) => ({ records, positions: records.map((n) => n + 1) })),
      ),
  });
  const job = Job.make({
    name: "shifted",
    guarantee: "exactly-once",
    flows: [Flow.from(shifted).pipe(Flow.to(Sink.memory("out")))],
  });
  const failed = await failure(simulate(job));
  assert.match(failed.rule, /whose record 52 is 51, but 52 when it is read from position 51 on$/);
});

Deno.test("state outside of the engine that is lost or kept in a crash is found by the faults", async () => {
  const failed = await failure(simulate(() => mapping(({ user }, index) => ({ user, index })), { seeds: 100 }));
  assert.match(
    failed.rule,
    /^its output must be the same with and without faults: sink "out" has 200 rows: /,
  );
  assert.equal(failed.faults.length, 1, failed.message);
});

Deno.test("records are copied for each run, as those of a file would be: changing them does no harm", async () => {
  await simulate(mapping((click) => Object.assign(click, { seen: "seen" in click })), { seeds: 10 });
  assert.ok(!("seen" in clicks[0]));
});

Deno.test("fractions that are rounded otherwise where records come together otherwise are noted, and no more", async () => {
  const job = (preAggregate: boolean) =>
    Job.make({
      name: "fractions",
      guarantee: "exactly-once",
      flows: [
        Flow.from(Source.array("clicks", clicks)).pipe(
          Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness("9 seconds") }),
          Flow.keyBy(({ user }) => user),
          Flow.window("per-minute", {
            assigner: Window.tumbling("1 minute"),
            aggregate: Aggregate.variance(({ at }) => at / 7),
            preAggregate,
            late: "drop",
          }),
          Flow.to(Sink.memory("out")),
        ),
      ],
    });
  const rounding = "sums of fractions are rounded otherwise where other numbers of records are read at once";
  assert.ok((await simulate(job(true), { seeds: 10 })).notes.includes(rounding));
  assert.ok(!(await simulate(job(false), { seeds: 10 })).notes.includes(rounding));
});

// ---------------------------------------------------------------------------------------------------------------------
// Invariants, sources, services, options

Deno.test("an invariant of one's own judges what was written, and the job need not be deterministic", async () => {
  const out = Sink.memory<number>("out");
  const job = Job.make({
    name: "dice",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("clicks", clicks)).pipe(
        Flow.mapEffect(() => Random.nextIntBetween(1, 6)),
        Flow.to(out),
      ),
    ],
  });
  await simulate(job, {
    seeds: 20,
    invariant: ({ rows }) => {
      assert.equal(rows(out).length, clicks.length);
      for (const eyes of rows(out)) assert.ok(eyes >= 1 && eyes <= 6);
    },
  });
  const never = await failure(
    simulate(job, { invariant: ({ rows }) => assert.ok(!rows(out).includes(3), "no three") }),
  );
  assert.match(never.message, /^Cannot pass job "dice" as its invariant must hold: .* without any fault; no three/);

  // One that a fault breaks.
  const calls: Array<number> = [];
  const failed = await failure(simulate(ownSink(false), {
    invariant: ({ rows }) => {
      calls.push(rows("own").length);
      assert.equal(new Set(rows("own")).size, rows("own").length, "no row twice");
    },
  }));
  assert.match(failed.message, /^Cannot pass job "counting" as its invariant must hold: no row twice/);
  assert.ok(failed.cause instanceof assert.AssertionError);
  assert.ok(calls.length > 1);
});

Deno.test("files are read once, before, and unbounded sources are given records", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, clicks.map((click) => JSON.stringify(click)).join("\n") + "\n{\n");
    const files = Source.ndjson("files", {
      paths: path,
      schema: Schema.Struct({ user: Schema.String, at: Schema.Number }),
    });
    const live = Source.fromStream("live", Stream.never as Stream.Stream<Click>);
    const job = Job.make({
      name: "both",
      guarantee: "at-most-once",
      flows: [
        Flow.from(files).pipe(
          Flow.onError(Sink.memory("dead")),
          Flow.merge(Flow.from(live)),
          Flow.to(Sink.memory("out")),
        ),
      ],
    });
    const { records, rows } = await simulate(job, { seeds: 20, records: { live: { web: clicks, app: clicks } } });
    assert.deepEqual([records, rows], [3 * clicks.length + 1, { out: 3 * clicks.length, dead: 1 }]);
    await assert.rejects(simulate(job), {
      name: "RangeError",
      message:
        'Cannot simulate job "both" as sources that never end, or cannot be read twice, must be given records (records: { "live": […] }): ' +
        "current value is none",
    });
    await assert.rejects(simulate(job, { records: { live: [] }, recordsMax: 100 }), /recordsMax is 100$/);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a source that paces itself is not waited for", async () => {
  const job = Job.make({
    name: "paced",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.generate("numbers", { seed: 1, make: (index) => index, count: 300, rate: 1 })).pipe(
        Flow.to(Sink.memory("out")),
      ),
    ],
  });
  const { rows } = await simulate(job, { seeds: 3 });
  assert.deepEqual(rows, { out: 300 });
});

class Names extends Context.Service<Names, { readonly of: (user: string) => Effect.Effect<string> }>()("Names") {}

const naming = Job.make({
  name: "naming",
  guarantee: "exactly-once",
  flows: [
    Flow.from(Source.array("clicks", clicks)).pipe(
      Flow.mapEffect(({ user }) => Effect.flatMap(Names, ({ of }) => of(user))),
      Flow.to(Sink.memory("out")),
    ),
  ],
});

Deno.test("a job that needs services is given them, and one that waits for the world outside is told not to", async () => {
  await simulate(naming, {
    seeds: 10,
    services: Context.make(Names, { of: (user) => Effect.delay(Effect.succeed(user.toUpperCase()), "3 seconds") }),
  });
  const outside = Context.make(Names, { of: (user) => Effect.promise(() => Promise.resolve(user)) });
  await assert.rejects(
    simulate(naming, { services: outside }),
    /must .* not wait for the world outside, such as for a promise/,
  );
  // @ts-expect-error -- services are missing
  await assert.rejects(simulate(naming));
});

Deno.test("what a job fails with by itself is what its simulation fails with", async () => {
  const job = mapping(({ user }) => {
    if (user === "user 3") throw new Error("not this one");
    return user;
  });
  await assert.rejects(simulate(job), { _tag: "UserCodeError", position: 4, message: /not this one/ });
});

Deno.test("options out of their range are refused", async () => {
  const refused: ReadonlyArray<readonly [Parameters<typeof simulate<never>>[1], RegExp]> = [
    [{ seeds: 0 }, /as seeds must be a whole number from 1 on: current value is 0$/],
    [{ seed: 0.5 }, /as seed must be a whole number from 0 on: current value is 0.5$/],
    [{ faults: { most: -1 } }, /as faults.most must be a whole number from 0 on: current value is -1$/],
    [{ faults: { kinds: ["fire" as never] } }, /as faults.kinds must be some of .*: current value is "fire"$/],
    [{ records: { none: [] } }, /must be given to a source that it has: current value is "none"$/],
  ];
  for (const [options, message] of refused) {
    await assert.rejects(simulate(counting(), options), { name: "RangeError", message });
  }
  await assert.rejects(
    simulate(() => ({ job: counting(), outputs: { none: () => [] } })),
    /outputs must be those of its sinks: current value is "none"$/,
  );
});

Deno.test("random pipelines are deterministic and keep their promise, under every guarantee", async () => {
  const ends = (guarantee: Ends["guarantee"]): Ends => ({
    guarantee,
    from: (name, splits) => Flow.from(Source.array<Item>(name, splits)),
    sinkOf: <A>(name: string) => Sink.memory<A>(name),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(plans(small), plans(withEffects("and flatMap"))),
      fc.constantFrom<Ends["guarantee"]>("exactly-once", "at-least-once", "at-most-once"),
      fc.nat(1_000_000),
      async (plan, guarantee, seed) => {
        try {
          await simulate(jobOf(plan, ends(guarantee)), { seeds: 4, seed });
        } catch (error) {
          throw new Error(`${guarantee}\n${writePlan(plan)}\n${error}`, { cause: error });
        }
      },
    ),
    { numRuns: 30, seed: 20_260_101 },
  );
});

Deno.test("standard input is not read for a simulation, an absent file may be replaced, and no records are noted", async () => {
  const copying = (source: Source.Source<unknown, never, never, never>) =>
    Job.make({
      name: "copying",
      guarantee: "exactly-once",
      flows: [Flow.from(source).pipe(Flow.to(Sink.memory("copy")))],
    });
  const never = <A>(source: A) => source as unknown as Source.Source<unknown, never, never, never>;
  const stdin = Job.make({
    name: "copying",
    guarantee: "at-most-once",
    flows: [
      Flow.from(Source.stdin("in", { schema: Schema.String, format: "lines" })).pipe(
        Flow.onError("drop"),
        Flow.to(Sink.memory("copy")),
      ),
    ],
  });
  await assert.rejects(simulate(stdin), {
    name: "RangeError",
    message: /cannot be read twice.*records: { "in": \[…\] }/,
  });
  const { rows } = await simulate(stdin, { seeds: 1, records: { in: ["a"] } });
  assert.equal(rows.copy, 1);

  const file = Source.ndjson("hits", { paths: "absent.ndjson", schema: Schema.Unknown });
  await assert.rejects(simulate(copying(never(file))), {
    _tag: "SourceError",
    message: /must be a file: current value is none \(or give records: { "hits": \[…\] }\)$/,
  });
  const { notes } = await simulate(copying(never(Source.array("none", []))), { seeds: 1 });
  assert.match(notes[0], /^the sources had no records/);
});
