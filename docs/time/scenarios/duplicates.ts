/**
 * De-duplication, whichever record goes on.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Flow } from "@weir/streams";
import { keyed } from "../keyed.ts";
import { record, type Scenario, steps } from "../scenario.ts";

const draw = { from: -10_000, to: 40_000, every: 5_000, reach: 10_000 };

/** What a reading is stored as. */
const reading = Schema.Struct({ at: Schema.Number, value: Schema.Number, key: Schema.String, kind: Schema.String });

/** The pictures of this part, in order. */
export const duplicates: ReadonlyArray<Scenario> = [
  {
    name: "deduplicate-first",
    title: "The first goes on",
    text:
      "The default: the first to come goes on at once. Records 2 and 3 are its duplicates, and are dropped. Record 5 is more " +
      "than 10 seconds away, so it goes on. Record 6 is 11 seconds behind the watermark. It can no longer be judged, and " +
      "goes to `late`.",
    steps: steps(record(4, 3), record(9, 3), record(1, 3), record(12, 5, { key: "b" }), record(17, 3), record(6, 3)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.deduplicate("once", { within: "10 seconds", late: "drop" }),
      ),
  },
  {
    name: "deduplicate-last",
    title: "The last goes on",
    text:
      'With `keep: "last"` the record of the group with the latest event time goes on. It is known when the watermark has ' +
      "passed the first record by `within`. Values wait in the state, so they come with their Schema: `reading`.",
    steps: steps(record(4, 3), record(9, 4), record(1, 2), record(12, 5, { key: "b" }), record(17, 1), record(30, 6)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.deduplicate("last", { within: "10 seconds", keep: "last", schema: reading, late: "drop" }),
      ),
  },
];
