/**
 * Writes some lines to topic "lines", runs the job over what is there, and reads the counts back from "word-counts".
 *
 * ```sh
 * deno task kafka                        # in another terminal: a broker, on 127.0.0.1:9092
 * deno run -P examples/kafka-wordcount
 * ```
 *
 * Every run writes the lines once more, and the job goes on where it stopped: its state, in `.weir/kafka-wordcount`, says
 * how far it has read and how often it has seen each word.
 *
 * @module
 */
import { Effect } from "effect";
import { Job } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { brokers, connect } from "./topics.ts";
import { wordCount } from "./job.ts";

const [folder = ".weir/kafka-wordcount"] = Deno.args;

const text = `To be, or not to be, that is the question:
Whether 'tis nobler in the mind to suffer
The slings and arrows of outrageous fortune,
Or to take arms against a sea of troubles,
And by opposing end them. To die: to sleep;
No more; and by a sleep to say we end
The heart-ache and the thousand natural shocks
That flesh is heir to, 'tis a consummation
Devoutly to be wish'd. To die, to sleep;
To sleep: perchance to dream: ay, there's the rub`;

await using topics = await connect();
await topics.create("lines", 4);
await topics.create("word-counts", 2);

// Where nothing has been counted yet, a state is that of another broker, and says nothing of these topics.
if (await topics.isEmpty("word-counts")) {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
await Deno.mkdir(folder, { recursive: true });

const lines = text.split("\n");
await topics.write("lines", lines.map((value) => ({ value })));
console.log(`${lines.length} lines written to topic "lines"`);

const job = wordCount(Kafka.cluster({ brokers }));
const { metrics } = await Effect.runPromise(
  Job.run(job, { state: `${folder}/state.kv`, mode: "available-now" }),
);
console.log(`${metrics.splits.reduce((sum, { records }) => sum + records, 0)} lines read by the job so far`);

/** What the topic says of each word, from the first to the last. */
const counts = Map.groupBy(await topics.read("word-counts"), ({ key }) => key);

// All the lines that were ever written, counted by a plain loop.
const recount = new Map<string, number>();
for (const { value } of await topics.read("lines")) {
  for (const [word] of value!.toLowerCase().matchAll(/\p{Letter}+/gu)) recount.set(word, (recount.get(word) ?? 0) + 1);
}

const mostFrequent = [...recount].sort(([, a], [, b]) => b - a).slice(0, 5);
for (const [word] of mostFrequent) console.log(`  ${word.padEnd(8)}${counts.get(word)?.at(-1)?.value?.padStart(6)}`);

// Exactly once: of a word that came n times the last n counts are 1 to n.
const matches = [...recount].every(([word, n]) => {
  const said = counts.get(word)?.slice(-n).map(({ value }) => Number(value)) ?? [];
  return said.length === n && said.every((count, k) => count === k + 1);
});
const total = recount.values().reduce((sum, n) => sum + n, 0);
console.log(
  `kafka-wordcount: ${recount.size} words, seen ${total} times, ${matches ? "counts match" : "counts differ"}`,
);
Deno.exitCode = matches ? 0 : 1;
