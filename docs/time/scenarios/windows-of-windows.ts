/**
 * Windows whose records are results of windows.
 *
 * @module
 */
import { Aggregate, Flow, Window } from "@weir/streams";
import { keyed, sum } from "../keyed.ts";
import { record, type Scenario, steps } from "../scenario.ts";

/** The pictures of this part, in order. */
export const windowsOfWindows: ReadonlyArray<Scenario> = [
  {
    name: "windows-of-windows",
    title: "Sums of sums",
    text:
      "The sums of 10 seconds are added up over 20 seconds. Record 4 takes the watermark to 24. The result for [10, 20) " +
      "comes about only then, but its event time is 19.999 seconds: it is in time for [0, 20), which fires right after " +
      "it. The merge is there for the picture, which shows both.",
    steps: steps(record(2, 3), record(7, 4), record(13, 5), record(24, 2), record(31, 1)),
    draw: { from: 0, to: 40_000, every: 5_000 },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("tens", { assigner: Window.tumbling("10 seconds"), aggregate: sum, late: "drop" }),
        (tens) =>
          tens.pipe(
            Flow.merge(
              tens.pipe(
                Flow.window("twenties", {
                  assigner: Window.tumbling("20 seconds"),
                  aggregate: Aggregate.sum(({ value }) => value),
                  late: "drop",
                }),
              ),
            ),
          ),
      ),
  },
];
