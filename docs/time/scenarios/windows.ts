/**
 * Windows of every kind.
 *
 * @module
 */
import { Aggregate, Flow, Trigger, Window } from "@weir/streams";
import { keyed, sum } from "../keyed.ts";
import { quiet, type Reading, record, type Scenario, steps } from "../scenario.ts";

const hour = 3_600_000;
/** The morning on which clocks in Berlin go from two to three. */
const clockChange = Date.parse("2026-03-29T00:00:00+01:00");

/** The pictures of this part, in order. */
export const windows: ReadonlyArray<Scenario> = [
  {
    name: "tumbling",
    title: "Tumbling windows",
    text:
      "One size, one after the other. Each record is in exactly one. They are aligned to the epoch, so hours start " +
      "on the hour in UTC; an `offset` moves them.",
    steps: steps(record(1, 3), record(7, 4), record(4, 2), record(12, 5), record(18, 1), record(23, 6)),
    draw: { from: 0, to: 30_000, every: 5_000 },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", { assigner: Window.tumbling("10 seconds"), aggregate: sum, late: "drop" }),
      ),
  },
  {
    name: "sliding",
    title: "Sliding windows",
    text:
      "One size, and a new one every `slide`: each record is in `size / slide` of them. Here each record counts twice.",
    steps: steps(record(1, 3), record(7, 4), record(12, 5), record(18, 1), record(21, 6)),
    draw: { from: -5_000, to: 35_000, every: 5_000 },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.sliding({ size: "10 seconds", slide: "5 seconds" }),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "session",
    title: "Sessions",
    text:
      "A session goes on as long as the next record of the key comes within the gap of the one before. It ends when " +
      "the key has been silent for the gap.",
    steps: steps(record(2, 3), record(5, 4), record(8, 2), record(17, 5), record(20, 1), record(30, 6)),
    draw: { from: 0, to: 40_000, every: 5_000, gap: () => 5_000 },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", { assigner: Window.session({ gap: "5 seconds" }), aggregate: sum, late: "drop" }),
      ),
  },
  {
    name: "session-gap-per-record",
    title: "Sessions with a gap for each record",
    text:
      "A function gives each record a gap of its own: here a phone keeps a session open for 3 seconds, a desktop for " +
      "10. The session ends when the gaps of all its records are over.",
    steps: steps(
      record(2, 3, { kind: "phone" }),
      record(4, 4, { kind: "phone" }),
      record(10, 2, { kind: "desktop" }),
      record(12, 1, { kind: "phone" }),
      record(18, 5, { kind: "phone" }),
      record(30, 6, { kind: "phone" }),
    ),
    draw: {
      from: 0,
      to: 40_000,
      every: 5_000,
      gap: ({ kind }) => kind === "desktop" ? 10_000 : 3_000,
    },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.session({ gap: ({ kind }: Reading) => kind === "desktop" ? "10 seconds" : "3 seconds" }),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "session-bridged",
    title: "Sessions that a late record bridges",
    text:
      "Record 5 comes late, and falls within the gap of two sessions: it makes them one. Both had fired already, so the " +
      "joined session goes on with pane 1. Their results stay under their old spans, [2, 9) and [12, 17): a table by key " +
      'and window then holds three rows, and counts 12 twice. Where that does harm, use `panes: "retracting"`, which ' +
      "[takes them back](#retracting-a-session-that-grows). Only sessions that are kept can be joined; `allowedLateness` " +
      "keeps them for longer.",
    steps: steps(record(2, 3), record(4, 4), record(12, 5), record(18, 1), record(8, 2), record(30, 6)),
    draw: { from: 0, to: 40_000, every: 5_000, gap: () => 5_000 },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.session({ gap: "5 seconds" }),
          aggregate: sum,
          allowedLateness: "20 seconds",
          late: "drop",
        }),
      ),
  },
  {
    name: "global",
    title: "The global window",
    text: "One window holds everything. It has no end before the end of the input, so give it a trigger.",
    steps: steps(record(3, 3), record(12, 4), record(7, 2), record(21, 5), record(26, 1)),
    draw: { from: 0, to: 30_000, every: 5_000, bands: false },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.global,
          trigger: Trigger.repeatedly(Trigger.afterCount(2)),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "count-tumbling",
    title: "Windows of a number of records",
    text:
      "Every three records of a key, in the order in which they come. Event time plays no part, so nothing is late. The " +
      "last window fires with what it has.",
    steps: steps(
      record(3, 3),
      record(12, 4),
      record(7, 2),
      record(21, 5),
      record(16, 1),
      record(18, 6),
      record(24, 2),
      record(28, 1),
    ),
    draw: { from: 0, to: 30_000, every: 5_000, bands: false },
    pipeline: (readings) =>
      keyed(readings).pipe(Flow.window("sums", { assigner: Window.count(3), aggregate: sum, late: "drop" })),
  },
  {
    name: "count-sliding",
    title: "Sliding windows of a number of records",
    text: "After every two records a result about the last four, or about as many as there have been.",
    steps: steps(record(3, 3), record(12, 4), record(7, 2), record(21, 5), record(16, 1), record(18, 6), record(26, 2)),
    draw: { from: 0, to: 30_000, every: 5_000, bands: false },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", { assigner: Window.count({ size: 4, slide: 2 }), aggregate: sum, late: "drop" }),
      ),
  },
  {
    name: "calendar",
    title: "Days of a time zone, across a clock change",
    text:
      "Days, weeks, months, quarters and years as a time zone has them. On 29 March 2026 clocks in Berlin go from two " +
      "to three, so that day is 23 hours long.",
    steps: steps(
      ...[[-20, 3], [-1, 4], [1, 2], [12, 5], [22, 1], [23, 6], [40, 2]].map(([hours, value]) =>
        record((clockChange + hours * hour) / 1_000, value)
      ),
    ),
    draw: {
      from: clockChange - 24 * hour,
      to: clockChange + 47 * hour,
      every: 12 * hour,
      ticks: [-24, -12, 0, 11, 23, 35, 47].map((hours) => clockChange + hours * hour),
      axis: "event time, Berlin",
      write: (time) => {
        const there = Temporal.Instant.fromEpochMilliseconds(time).toZonedDateTimeISO("Europe/Berlin");
        return there.hour === 0 ? `${there.day} Mar` : `${there.hour}:00`;
      },
    },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.calendar({ unit: "day", timeZone: "Europe/Berlin" }),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "custom",
    title: "Windows of one's own",
    text:
      "A function gives the windows of a record. Here every half minute has a short first part and a long second one.",
    steps: steps(record(2, 3), record(8, 4), record(14, 2), record(27, 5), record(33, 1), record(46, 6)),
    draw: { from: 0, to: 60_000, every: 10_000 },
    pipeline: (readings) =>
      keyed(readings).pipe(
        Flow.window("sums", {
          assigner: Window.custom({
            name: "the first 10 of every 30 seconds, and the rest",
            assign: (time) => {
              const start = Math.floor(time / 30_000) * 30_000;
              return time < start + 10_000
                ? { start, end: start + 10_000 }
                : { start: start + 10_000, end: start + 30_000 };
            },
          }),
          aggregate: sum,
          late: "drop",
        }),
      ),
  },
  {
    name: "processing-time",
    title: "Windows of the clock",
    text:
      "A record is in the window in which it is read, whatever its event time. They need no event time, nothing is " +
      "late, and each run gives other results.",
    steps: steps(
      record(0, 3, { clock: 1 }),
      record(0, 4, { clock: 6 }),
      quiet(11),
      record(0, 2, { clock: 12 }),
      quiet(21),
      record(0, 5, { clock: 24 }),
    ),
    draw: { from: 0, to: 30_000, every: 5_000, byClock: true },
    pipeline: (readings) =>
      Flow.from(readings).pipe(
        Flow.keyBy(({ key }) => key),
        Flow.window("sums", {
          assigner: Window.tumblingProcessingTime("10 seconds"),
          aggregate: Aggregate.sum(({ value }) => value),
          late: "drop",
        }),
      ),
  },
];
