/**
 * The results of one window: the same records in every mode.
 *
 * @module
 */
import { Flow, Trigger, Window } from "@weir/streams";
import { keyed, sum } from "../keyed.ts";
import { record, type Scenario, steps } from "../scenario.ts";

const draw = { from: 0, to: 30_000, every: 5_000 };
const records = steps(record(2, 3), record(7, 4), record(4, 2), record(12, 5), record(5, 1), record(22, 6));

/** The pictures of this part, in order. */
export const panes: ReadonlyArray<Scenario> = [
  {
    name: "accumulating",
    title: "Accumulating panes",
    text:
      "The default: each result is about everything so far, and replaces the one before. For sinks that overwrite, such as a " +
      "table.",
    steps: records,
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("10 seconds"),
          trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
          panes: "accumulating",
          aggregate: sum,
          allowedLateness: "10 seconds",
          late: "drop",
        }),
      ),
  },
  {
    name: "discarding",
    title: "Discarding panes",
    text:
      "Each result is about what is new, and stands for ever: the results of a window add up to the whole. For sinks that " +
      "add up themselves. The flow stays append-only.",
    steps: records,
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("10 seconds"),
          trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
          panes: "discarding",
          aggregate: sum,
          allowedLateness: "10 seconds",
          late: "drop",
        }),
      ),
  },
  {
    name: "retracting",
    title: "Retracting panes",
    text:
      "Each result is about everything so far, and takes back the one before, value and all. For what is computed further on, " +
      "such as a sum of sums: it subtracts the one and adds the other.",
    steps: records,
    draw,
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.tumbling("10 seconds"),
          trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
          panes: "retracting",
          aggregate: sum,
          allowedLateness: "10 seconds",
          late: "drop",
        }),
      ),
  },
  {
    name: "retracting-session",
    title: "Retracting a session that grows",
    text:
      "A late record joins two sessions that had both fired. Their results are taken back, under their old spans, before " +
      "the joined session fires: no row is left over.",
    steps: steps(record(2, 3), record(4, 4), record(12, 5), record(18, 1), record(8, 2), record(30, 6)),
    draw: { from: 0, to: 40_000, every: 5_000, gap: () => 5_000 },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.session({ gap: "5 seconds" }),
          panes: "retracting",
          aggregate: sum,
          allowedLateness: "20 seconds",
          late: "drop",
        }),
      ),
  },
];
