/**
 * Records that cannot be handled: they are set aside, looked at, and retried with a corrected program.
 *
 * ```sh
 * deno run -P examples/dead-letters.ts
 * ```
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Effect } from "effect";
import { DeadLetters, Flow, Job, Sink, Source } from "@weir/streams";

const [folder = ".weir/dead-letters"] = Deno.args;
const input = `${folder}/orders.ndjson`;
const path = `${folder}/dead.kv`;

await Deno.remove(folder, { recursive: true }).catch((error) => {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
});
await Deno.mkdir(folder, { recursive: true });
await Deno.writeTextFile(
  input,
  `{"id":1,"total":90,"items":3}
{"id":2,"total":"35","items":1}
{"id":3,"total":10,"items":0}
{"id":4,"total":
{"id":5,"total":12,"items":4}
`,
);

/** One version of the program: what an order is, and what is worked out of it. The rest stays. */
interface Version {
  readonly total: Schema.Codec<number, unknown>;
  readonly perItem: (total: number, items: number) => number;
}

const job = (name: string, { total, perItem }: Version) => {
  const schema = Schema.Struct({ id: Schema.Number, total, items: Schema.Number });
  const averages = Flow.from(Source.ndjson("orders", { paths: input, schema })).pipe(
    Flow.merge(Flow.from(Source.retries("retries", { path, schema }))),
    Flow.map(({ id, total, items }) => ({ id, perItem: perItem(total, items) })),
    Flow.onError(Sink.deadLetters("dead", { path }), { defects: true }),
    Flow.map(({ id, perItem }) => `${name}: order ${id} costs ${perItem} an item`),
    Flow.to(Sink.ndjson("averages", { path: `${folder}/averages.ndjson` })),
  );
  return Job.make({ name: "averages", guarantee: "exactly-once", flows: [averages] });
};

/** Runs a version through what is there: the file, and what is to be retried. */
const run = (name: string, version: Version) =>
  Effect.map(
    Job.run(job(name, version), { state: `${folder}/state.kv`, mode: "available-now" }),
    ({ metrics }) => metrics,
  );

const first: Version = {
  total: Schema.Number,
  perItem: (total, items) => {
    if (items === 0) throw new Error("an order has an item");
    return total / items;
  },
};

/** Totals may be texts, and an order of nothing costs nothing. */
const corrected: Version = {
  total: Schema.Union([Schema.Number, Schema.NumberFromString]),
  perItem: (total, items) => items === 0 ? 0 : total / items,
};

const program = Effect.gen(function* () {
  yield* run("first", first);
  const dead = yield* DeadLetters.open(path);

  const { letters } = yield* dead.list();
  console.log(`${letters.length} dead letters:`);
  for (const { number, position, operator, reason } of letters) {
    console.log(`  ${number}. ${operator}, before byte ${position}: ${reason}`);
  }
  const letter = yield* dead.show(3);
  console.log(`The bytes of 3: ${new TextDecoder().decode(letter?.raw)}`);

  const { retried } = yield* dead.retry({});
  console.log(`${retried} are retried with the corrected program`);
  const { splits, sinks } = yield* run("corrected", corrected);

  for (const { number, tries, reason } of (yield* dead.list()).letters) {
    console.log(`  ${number}. is left after ${tries} retry: ${reason}`);
  }
  const discarded = yield* dead.discard({});
  const read = splits.find(({ source }) => source === "orders")?.records;
  const written = sinks.find(({ sink }) => sink === "averages")?.rows;
  return { read, written, discarded };
});

const { read, written, discarded } = await Effect.runPromise(Effect.scoped(program));
console.log((await Deno.readTextFile(`${folder}/averages.ndjson`)).trimEnd());
console.log(`dead-letters: ${read} orders, ${written} averages, ${discarded} discarded`);
Deno.exit(read === 5 && written === 4 && discarded === 1 ? 0 : 1);
