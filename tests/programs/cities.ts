/** A program that ends as its argument says: `cities.ts FOLDER throws|missing|passes|ends`. */
import { Context, Effect, Schema, Stream } from "effect";
import { Flow, Job, Sink, Source } from "@weir/streams";

const [folder, how] = Deno.args;

/** What is written before each name. */
class Greeting extends Context.Service<Greeting, { readonly of: (name: string) => string }>()("Greeting") {}

let failures = 0;

/** Fails twice and then yields a city. */
const troubled = Source.make({
  name: "cities",
  bounded: true,
  splits: Effect.succeed(["0"]),
  read: (split, from): Stream.Stream<Source.SourceBatch<string>, Source.SourceError> =>
    failures++ < 2
      ? Stream.fail(
        new Source.SourceError({
          message: "Cannot reach the cities",
          source: "cities",
          split,
          position: from,
          retryable: true,
          cause: null,
        }),
      )
      : from === null
      ? Stream.make({ records: ["Bern"], positions: [1] })
      : Stream.empty,
});

const refuse = (_city: string): string => {
  throw new TypeError("no such city");
};

const cities = how === "passes"
  ? troubled
  : how === "missing"
  ? Source.ndjson("cities", { paths: `${folder}/none.ndjson`, schema: Schema.String })
  : Source.array("cities", ["Bern"]);

await Job.main(
  Job.make({
    name: "cities",
    guarantee: "exactly-once",
    flows: [
      Flow.from(cities as typeof troubled).pipe(
        Flow.map((city) => how === "throws" ? refuse(city) : city),
        Flow.mapEffect((city) => Effect.map(Greeting, (greeting) => greeting.of(city))),
        Flow.to(Sink.ndjson("out", { path: `${folder}/out.ndjson` })),
      ),
    ],
  }),
  { state: `${folder}/state.kv`, services: Context.make(Greeting, { of: (name) => `Hello ${name}` }) },
);
