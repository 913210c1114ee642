/**
 * Watermarks of splits, and lateness.
 *
 * @module
 */
import { Flow, Watermark, Window } from "@weir/streams";
import { keyed, sum } from "../keyed.ts";
import { quiet, record, type Scenario, steps } from "../scenario.ts";

/** The pictures of this part, in order. */
export const watermarks: ReadonlyArray<Scenario> = [
  {
    name: "one-split",
    title: "One split",
    text:
      "The watermark is the greatest time seen, less a bound for disorder: here 5 seconds. Record 3 is out of order " +
      "but within the bound, so its window is still open. Record 5 is beyond it, and comes too late. A greater bound loses " +
      "less and waits longer.",
    steps: steps(record(2, 3), record(13, 4), record(6, 2), record(16, 5), record(9, 1), record(27, 6)),
    draw: { from: 0, to: 30_000, every: 5_000 },
    pipeline: (readings) =>
      Flow.from(readings).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness("5 seconds") }),
        Flow.keyBy(({ key }) => key),
        Flow.window("sums", { assigner: Window.tumbling("10 seconds"), aggregate: sum, late: "drop" }),
      ),
  },
  {
    name: "two-splits",
    title: "Two splits",
    text:
      "The watermark of the flow is the least of its splits'. A split that is behind holds the others back, and one that " +
      "has not been read yet holds back everything: so no record of the slow split is late.",
    splits: ["north", "south"],
    steps: steps(
      record(3, 3, { split: "north" }),
      record(8, 4, { split: "north" }),
      record(14, 2, { split: "north" }),
      record(4, 5, { split: "south" }),
      record(12, 1, { split: "south" }),
      record(24, 6, { split: "north" }),
      record(21, 2, { split: "south" }),
    ),
    draw: { from: 0, to: 30_000, every: 5_000 },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", { assigner: Window.tumbling("10 seconds"), aggregate: sum, late: "drop" }),
      ),
  },
  {
    name: "idle-split",
    title: "An idle split",
    text: "A silent split would hold back the others for ever. With `idleAfter` it is left out once it has been " +
      "silent for that long by the clock. When it wakes, its records may be late.",
    splits: ["north", "south"],
    steps: steps(
      record(3, 3, { split: "north", clock: 1 }),
      record(4, 5, { split: "south", clock: 2 }),
      record(14, 2, { split: "north", clock: 8 }),
      record(17, 4, { split: "north", clock: 10 }),
      quiet(13),
      record(8, 1, { split: "south", clock: 14 }),
      record(24, 6, { split: "north", clock: 15 }),
    ),
    draw: { from: 0, to: 30_000, every: 5_000, clock: true },
    pipeline: (readings) =>
      Flow.from(readings).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic, idleAfter: "10 seconds" }),
        Flow.keyBy(({ key }) => key),
        Flow.window("sums", { assigner: Window.tumbling("10 seconds"), aggregate: sum, late: "drop" }),
      ),
  },
  {
    name: "alignment",
    title: "A split that is far ahead",
    text:
      "With `maxDrift` a split that is further ahead than this is paused until the others have caught up, so that fewer " +
      "windows are open at once. Here it is 10 seconds. The south has not been read when record 1 comes, so the north is " +
      "paused until record 2. Record 3 takes it 11 seconds ahead: record 4 is not read before the south has come to 8. A split that is silent for good would hold up the others: give `idleAfter` too.",
    splits: ["north", "south"],
    steps: steps(
      record(3, 3, { split: "north" }),
      record(4, 5, { split: "south" }),
      record(15, 2, { split: "north" }),
      record(24, 6, { split: "north" }),
      record(8, 1, { split: "south" }),
      record(17, 4, { split: "south" }),
      record(26, 2, { split: "south" }),
    ),
    draw: { from: 0, to: 30_000, every: 5_000 },
    pipeline: (readings) =>
      Flow.from(readings).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic, maxDrift: "10 seconds" }),
        Flow.keyBy(({ key }) => key),
        Flow.window("sums", { assigner: Window.tumbling("10 seconds"), aggregate: sum, late: "drop" }),
      ),
  },
  {
    name: "punctuated",
    title: "Watermarks that records say",
    text:
      "A source may know that it is complete up to an instant, and say so in a record: here in those of kind `all`. The " +
      "others do not move the watermark, however early or late they are. Record 4 is in order but after such a word, so " +
      "it comes too late.",
    steps: steps(
      record(3, 3),
      record(14, 4),
      record(12, 0, { kind: "all" }),
      record(8, 2),
      record(16, 5),
      record(23, 0, { kind: "all" }),
      record(27, 6),
    ),
    draw: { from: 0, to: 30_000, every: 5_000 },
    pipeline: (readings) =>
      Flow.from(readings).pipe(
        Flow.eventTime({
          timestamp: ({ at }) => at,
          watermark: Watermark.punctuated(({ at, kind }) => kind === "all" ? at : null),
        }),
        Flow.keyBy(({ key }) => key),
        Flow.window("sums", { assigner: Window.tumbling("10 seconds"), aggregate: sum, late: "drop" }),
      ),
  },
  {
    name: "lateness",
    title: "Late, and too late",
    text:
      "A record behind the watermark is late only where its window is over. Record 3 is behind the watermark but its " +
      "window is open: nothing happens. Record 5 finds its window over but within the allowed lateness: it corrects. " +
      "Record 7 is too late: it goes to `late`.",
    steps: steps(
      record(2, 3),
      record(8, 4),
      record(5, 2),
      record(12, 5),
      record(7, 1),
      record(16, 6),
      record(3, 7),
    ),
    draw: { from: 0, to: 30_000, every: 5_000 },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("10 seconds"),
          aggregate: sum,
          allowedLateness: "5 seconds",
          late: "drop",
        }),
      ),
  },
];
