/**
 * Triggers of every kind.
 *
 * @module
 */
import { Flow, Trigger, Window } from "@weir/streams";
import { keyed, sum } from "../keyed.ts";
import { quiet, record, type Scenario, steps } from "../scenario.ts";

const draw = { from: 0, to: 30_000, every: 5_000 };

/** The pictures of this part, in order. */
export const triggers: ReadonlyArray<Scenario> = [
  {
    name: "at-watermark",
    title: "At the watermark",
    text:
      "The default: a window fires when the watermark reaches its end, and then no more. Its result is final, and the " +
      "flow stays append-only.",
    steps: steps(record(2, 3), record(9, 4), record(5, 2), record(21, 5), record(12, 1)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("20 seconds"),
          trigger: Trigger.atWatermark(),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "early-count",
    title: "Early, by count",
    text:
      "Early panes after every two records, until the watermark reaches the end. Early results are not final. A window " +
      'whose last record is in an early pane fires no more, so it has no final result: use [`onTime: "always"`]' +
      "(#on-time-always) where you wait for one.",
    steps: steps(record(2, 3), record(9, 4), record(5, 2), record(12, 1), record(17, 6), record(21, 5)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("20 seconds"),
          trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "early-event-time",
    title: "Early, by event time",
    text:
      "An early pane whenever the watermark passes a multiple of 5 seconds, if something has come. It does not depend " +
      "on the clock, so results are the same in every run.",
    steps: steps(record(2, 3), record(4, 4), record(6, 2), record(8, 1), record(13, 6), record(17, 1), record(21, 5)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("20 seconds"),
          trigger: Trigger.atWatermark({ early: Trigger.afterEventTime("5 seconds") }),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "early-processing-time",
    title: "Early, by the clock",
    text:
      "An early pane 10 seconds of clock time after the first record of the pane came, whether or not another one " +
      "comes. Where the pane is cut depends on when records come; the last pane does not.",
    steps: steps(
      record(2, 3, { clock: 1 }),
      record(9, 4, { clock: 4 }),
      quiet(11),
      record(5, 2, { clock: 15 }),
      quiet(26),
      record(12, 1, { clock: 30 }),
      record(21, 5, { clock: 32 }),
    ),
    draw: { ...draw, clock: true },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("20 seconds"),
          trigger: Trigger.atWatermark({ early: Trigger.afterProcessingTime("10 seconds") }),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "late-each",
    title: "Late, each record",
    text:
      "With `allowedLateness` a window is kept for a while after its end. Each late record corrects it at once. What " +
      "comes after that is too late. Until the window closes no result of it is final, and without late " +
      "records it does not fire once more as it closes.",
    steps: steps(
      record(2, 3),
      record(7, 4),
      record(12, 5),
      record(5, 2),
      record(15, 1),
      record(8, 6),
      record(21, 2),
      record(4, 7),
    ),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("10 seconds"),
          aggregate: sum,
          allowedLateness: "10 seconds",
          late: "drop",
        }),
      ),
  },
  {
    name: "late-batched",
    title: "Late, in batches",
    text: "A correction for every two late records. What is left fires when the window closes, at its end plus the " +
      "allowed lateness: that result is final.",
    steps: steps(record(2, 3), record(7, 4), record(12, 5), record(5, 2), record(8, 6), record(3, 1), record(21, 2)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("10 seconds"),
          trigger: Trigger.atWatermark({ late: Trigger.afterCount(2) }),
          aggregate: sum,
          allowedLateness: "10 seconds",
          late: "drop",
        }),
      ),
  },
  {
    name: "on-time-always",
    title: "On time, always",
    text: "Nothing has come since the early pane, so by default the window would not fire at its end. With " +
      '`onTime: "always"` it fires once more, with the same value: whoever waits for the end learns that it has come.',
    steps: steps(record(2, 3), record(9, 4), record(21, 5)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("20 seconds"),
          trigger: Trigger.atWatermark({ early: Trigger.afterCount(2), onTime: "always" }),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "once",
    title: "Once",
    text: "The first time that a condition is met, and not again. What comes later fires when the window closes.",
    steps: steps(record(2, 3), record(9, 4), record(5, 2), record(12, 1), record(17, 6), record(21, 5)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("20 seconds"),
          trigger: Trigger.once(Trigger.afterCount(2)),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "repeatedly",
    title: "Repeatedly",
    text:
      "Each time that a condition is met, whatever the watermark. What is left fires when the window closes, at its end " +
      "plus the allowed lateness. A pane is early or late by where the watermark is when it fires.",
    steps: steps(record(2, 3), record(9, 4), record(12, 5), record(5, 2), record(8, 6), record(3, 1), record(21, 2)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("10 seconds"),
          trigger: Trigger.repeatedly(Trigger.afterCount(2)),
          aggregate: sum,
          allowedLateness: "10 seconds",
          late: "drop",
        }),
      ),
  },
  {
    name: "first-of",
    title: "The first of several",
    text: "Whichever condition is met first: three records, or the watermark at the next multiple of 5 seconds.",
    steps: steps(record(1, 3), record(2, 4), record(3, 2), record(4, 1), record(11, 6), record(16, 3), record(21, 5)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("20 seconds"),
          trigger: Trigger.atWatermark({
            early: Trigger.firstOf(Trigger.afterCount(3), Trigger.afterEventTime("5 seconds")),
          }),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "all-of",
    title: "All of several",
    text:
      "Only when all conditions are met: at least three records, and the watermark at the next multiple of 5 seconds.",
    steps: steps(record(1, 3), record(2, 4), record(6, 2), record(7, 1), record(11, 6), record(21, 5)),
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("20 seconds"),
          trigger: Trigger.atWatermark({
            early: Trigger.allOf(Trigger.afterCount(3), Trigger.afterEventTime("5 seconds")),
          }),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
];
