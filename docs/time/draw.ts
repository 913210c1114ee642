/**
 * Draws what was observed: time lies across, and what comes later stands further down.
 *
 * The same observation always gives the same text.
 *
 * @module
 */
import type { Moment } from "./observe.ts";
import type { DrawOptions, Row, Scenario } from "./scenario.ts";
import { element, escape, line, round, text } from "./svg.ts";

/** The sizes of the picture, in pixels. */
const layout = {
  width: 760,
  left: 112,
  right: 560,
  top: 44,
  recordHeight: 30,
  rowHeight: 24,
  dot: 10,
  legendHeight: 20,
  /** How wide a letter is, about. */
  letter: 6.3,
};

/** Colours that people with any kind of colour vision tell apart, on light and on dark ground. */
const style = `
text{font:12px system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;fill:#24292f}
.paper{fill:#fcfcfa;stroke:#d0d4d9}.soft{fill:#5b6470}.grid{stroke:#d9dde2;stroke-width:1}
.band{fill:#eef0f3}.edge{stroke:#9aa3ad;stroke-dasharray:2 3}
.early{fill:#d9ecf9;stroke:#0067a5;stroke-dasharray:5 3}.on-time{fill:#d3efe4;stroke:#00704f}
.late{fill:#fbe0cc;stroke:#b04300;stroke-width:2}.back{fill:none;stroke:#6b7480}
.bar{stroke-width:1.5}.open{stroke:none}
.sign-early{fill:#0067a5}.sign-on-time{fill:#00704f}.sign-late{fill:#b04300}.sign-back{fill:none;stroke:#6b7480;stroke-width:1.5}
.dot{fill:#2f3742}.dot-text{fill:#fff;font-weight:600;font-size:11px}
.passed{fill:#00704f}.twin,.waiting{fill:#fcfcfa;stroke:#2f3742;stroke-width:1.5}.waiting{stroke-dasharray:3 2}
.missed{fill:#fcfcfa;stroke:#b04300;stroke-width:1.5}.cross{stroke:#b04300;stroke-width:2}
.watermark{fill:none;stroke:#8a2f8f;stroke-width:2}.own{fill:none;stroke:#8a2f8f;stroke-width:1;stroke-dasharray:1 3;stroke-linecap:round;stroke-width:1.6}
.gap{stroke:#2f3742;stroke-width:1.2}.value{font-weight:600;stroke:#fcfcfa;stroke-width:4px;stroke-linejoin:round;paint-order:stroke}
.strike{stroke:#24292f;stroke-width:1.5}.final{font-weight:700}
@media (prefers-color-scheme:dark){text{fill:#e6e9ed}.paper{fill:#15191e;stroke:#3a424c}.soft{fill:#a3acb8}.grid{stroke:#2b323a}
.band{fill:#1e242b}.edge{stroke:#6b7480}.early{fill:#10324a;stroke:#6ab8ea}.on-time{fill:#0c3a2c;stroke:#3fc79a}
.late{fill:#4a2812;stroke:#ff9a57}.back{stroke:#a3acb8}.sign-early{fill:#6ab8ea}.sign-on-time{fill:#3fc79a}.sign-late{fill:#ff9a57}
.sign-back{stroke:#a3acb8}.dot{fill:#d5dae0}.dot-text{fill:#15191e}.passed{fill:#3fc79a}.twin,.waiting{fill:#15191e;stroke:#d5dae0}.missed{fill:#15191e;stroke:#ff9a57}.cross{stroke:#ff9a57}
.watermark,.own{stroke:#d58be0}.gap{stroke:#d5dae0}.value{stroke:#15191e}.strike{stroke:#e6e9ed}}
`.trim().replaceAll("\n", "");

/** What a pane is drawn as. */
type Kind = "early" | "on-time" | "late" | "back";

const kindOf = ({ change, timing }: Row): Kind => change === "retract" ? "back" : timing;

/** A sign for each kind of pane: it points back to the window, stands at its end, or points on. */
const sign = (kind: Kind, x: number, y: number): string => {
  const points: Readonly<Record<Kind, string>> = {
    early: "M5 -5L-4 0L5 5Z",
    "on-time": "M0 -6L6 0L0 6L-6 0Z",
    late: "M-5 -5L4 0L-5 5Z",
    back: "M-5 -5L5 5M5 -5L-5 5",
  };
  return element("path", { d: points[kind], transform: `translate(${round(x)} ${round(y)})`, class: `sign-${kind}` });
};

/** The mark of a record. Splits differ in shape. */
const mark = (split: number, x: number, y: number, kind: string): string => {
  const r = layout.dot;
  if (split === 0) return element("circle", { cx: x, cy: y, r, class: kind });
  return element("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r, rx: 2, class: kind });
};

/** An instant, as it is written where nothing else is said: in seconds. */
const writeSeconds = (time: number): string => String(round(time / 1_000));

/** An instant in words. */
export const writeTime = ({ write = writeSeconds }: DrawOptions, time: number): string =>
  time === Infinity || time >= 8.64e15 ? "∞" : time === -Infinity || time <= -8.64e15 ? "-∞" : write(time);

/** What is written at the axis. */
const axisOf = ({ axis, byClock }: DrawOptions): string =>
  axis ?? (byClock ? "the clock, in seconds" : "event time, in seconds");

/** What is written next to a pane. */
export const describeRow = (row: Row): string =>
  row.change === "retract"
    ? `takes back pane ${row.pane}`
    : `pane ${row.pane}, ${row.timing === "on-time" ? "on time" : row.timing}`;

/** Everything that is drawn, in words. */
const describe = (draw: DrawOptions, moments: ReadonlyArray<Moment>): string =>
  [`Across: ${axisOf(draw)}.`].concat(moments.map(({ step, isLate, isDuplicate, isWaiting, rows, passed }, k) => {
    const what = step._tag === "End"
      ? "The input ends."
      : step._tag === "Clock"
      ? `The clock goes on to ${writeSeconds(step.clock)} s.`
      : `Record ${recordNumber(moments, k)}: value ${step.reading.value} at ${
        writeTime(draw, timeOf(draw, moments[k]))
      }` +
        `${isLate ? ", too late" : isDuplicate ? ", a duplicate" : isWaiting ? ", not read yet" : ""}.`;
    const results = rows.map((row) =>
      `${row.change === "retract" ? "Takes back" : "Result"} ${row.value} for ${
        writeTime(draw, row.window.start)
      } to ` +
      `${writeTime(draw, row.window.end)} (pane ${row.pane}, ${row.timing}${row.final ? ", final" : ""}).`
    );
    const onward = passed.map((reading) => `Value ${reading.value} at ${writeTime(draw, reading.at)} goes on.`);
    return [what, ...results, ...onward].join(" ");
  })).join(" ");

/** The number of a record in the order in which records come, from 1. */
export const recordNumber = (moments: ReadonlyArray<Moment>, moment: number): number =>
  moments.slice(0, moment + 1).filter(({ step }) => step._tag === "Record").length;

const timeOf = (draw: DrawOptions, { step }: Moment): number =>
  step._tag === "End" ? Infinity : step._tag === "Clock" || draw.byClock ? step.clock : step.reading.at;

/** Draws a scenario. */
export const draw = (scenario: Scenario, moments: ReadonlyArray<Moment>): string => {
  const { draw, splits = ["0"] } = scenario;
  const { left, right, top, width } = layout;
  const within = (x: number) => Math.min(Math.max(x, left), right);
  const x = (time: number): number => left + (time - draw.from) / (draw.to - draw.from) * (right - left);

  const bars: Array<string> = [];
  const marks: Array<string> = [];
  const texts: Array<string> = [];
  const used = new Set<string>();
  const watermark: Array<readonly [x: number, y: number]> = [];
  const own = splits.map((): Array<readonly [x: number, y: number]> => []);
  const greatest = splits.map(() => -Infinity);
  const idle = new Set<string>();
  const paused = new Set<string>();
  /** The records that have come and are not read yet, by split. */
  const waiting = splits.map((): Array<number> => []);
  const come = splits.map(() => 0);

  const keys = new Set(moments.flatMap(({ step }) => step._tag === "Record" ? [step.reading.key] : []));
  let before = -Infinity;
  let y = top;
  const boundaryOf = (time: number) => within(x(time));
  const step = (line: Array<readonly [x: number, y: number]>, from: number, to: number, at: number) => {
    if (to === -Infinity) return;
    if (from === -Infinity) line.push([left, at]);
    else line.push([boundaryOf(from), at]);
    line.push([boundaryOf(to), at]);
  };

  moments.forEach((moment, k) => {
    const { step: what, isLate, isDuplicate, isWaiting, rows, passed } = moment;
    const height = what._tag === "Record" ? layout.recordHeight : layout.rowHeight;
    const middle = y + height / 2;
    const moves = y + height - 2;
    if (what._tag === "Record") {
      const at = x(timeOf(draw, moment));
      const { reading, split } = what;
      const details = [
        ...(splits.length > 1 ? [split] : []),
        ...(keys.size > 1 ? [reading.key] : []),
        ...(reading.kind === "" ? [] : [reading.kind]),
        ...(draw.clock ? [`${writeSeconds(what.clock)} s`] : []),
      ];
      texts.push(text(26, middle + 4, String(recordNumber(moments, k)), { anchor: "end" }));
      texts.push(text(34, middle + 4, details.join(", "), { class: "soft" }));
      if (draw.gap !== undefined) {
        const end = x(timeOf(draw, moment) + draw.gap(reading));
        marks.push(
          line(at, middle, within(end), middle, "gap"),
          line(within(end), middle - 5, within(end), middle + 5, "gap"),
        );
        used.add("gap");
      }
      if (draw.reach !== undefined && !isLate && !isDuplicate) {
        const ends = [-draw.reach, draw.reach].map((apart) => within(x(timeOf(draw, moment) + apart)));
        marks.push(line(ends[0], middle, ends[1], middle, "gap"));
        for (const end of ends) marks.push(line(end, middle - 5, end, middle + 5, "gap"));
        used.add("reach");
      }
      const state = isLate ? "missed" : isDuplicate ? "twin" : isWaiting ? "waiting" : "dot";
      marks.push(mark(splits.indexOf(split), at, middle, state));
      const value = String(reading.value);
      if (isLate) {
        const r = layout.dot - 1;
        marks.push(line(at - r - 3, middle + r + 3, at + r + 3, middle - r - 3, "cross"));
        marks.push(text(at, middle + 4, value, { class: "value", anchor: "middle" }));
        texts.push(
          text(right + 26, middle + 4, draw.reach === undefined ? "too late: not counted" : "too late to be judged"),
        );
        used.add("too late");
      } else if (isDuplicate || isWaiting) {
        marks.push(text(at, middle + 4, value, { class: "value", anchor: "middle" }));
        texts.push(text(right + 26, middle + 4, isDuplicate ? "a duplicate" : "not read yet"));
        used.add(state);
      } else {
        marks.push(text(at, middle + 4, value, { class: "dot-text", anchor: "middle" }));
        used.add("record");
      }
    } else {
      const happens = what._tag === "End" ? "input ends" : `clock ${writeSeconds(what.clock)} s`;
      texts.push(text(12, middle + 4, happens, { class: "soft" }));
    }
    if (what._tag === "Record") {
      const split = splits.indexOf(what.split);
      come[split]++;
      if (isWaiting) waiting[split].push(recordNumber(moments, k));
    }
    moment.splits.forEach(({ watermark, isIdle, isPaused, records }, split) => {
      while (waiting[split].length > come[split] - records) {
        texts.push(text(right + 26, middle + 4, `record ${waiting[split].shift()} is read now`));
      }

      if (watermark > greatest[split]) step(own[split], greatest[split], watermark, moves);
      greatest[split] = watermark;
      if (isIdle && !idle.has(splits[split])) texts.push(text(right + 26, middle + 4, `${splits[split]} is idle`));
      if (isIdle) idle.add(splits[split]);
      else idle.delete(splits[split]);
      if (isPaused && !paused.has(splits[split])) {
        texts.push(text(right + 26, middle + 4, `${splits[split]} is paused`));
      }
      if (isPaused) paused.add(splits[split]);
      else paused.delete(splits[split]);
    });
    if (moment.watermark > before) {
      step(watermark, before, moment.watermark, moves);
      before = moment.watermark;
    }
    y += height;

    for (const row of rows) {
      const kind = kindOf(row);
      const [from, to] = [boundaryOf(row.window.start), boundaryOf(row.window.end)];
      const barTop = y + 2;
      const barHeight = layout.rowHeight - 4;
      const isOpen = row.window.start < draw.from || row.window.end > draw.to;
      bars.push(element("rect", {
        x: from,
        y: barTop,
        width: Math.max(to - from, 2),
        height: barHeight,
        rx: isOpen ? 0 : 3,
        class: `bar ${kind}`,
      }));
      const value = String(row.value);
      texts.push(text((from + to) / 2, y + 16, value, { class: "value", anchor: "middle" }));
      if (kind === "back") texts.push(line(from, y + 12, to, y + 12, "strike"));
      texts.push(sign(kind, right + 14, y + 12));
      const note = `${keys.size > 1 ? `${row.key}: ` : ""}${describeRow(row)}`;
      const final = row.final ? element("tspan", { class: "final" }, ", final") : "";
      texts.push(element("text", { x: right + 26, y: y + 16 }, escape(note) + final));
      used.add(kind);
      y += layout.rowHeight;
    }

    for (const reading of passed) {
      const [at, level] = [x(reading.at), y + layout.rowHeight / 2];
      marks.push(element("circle", { cx: at, cy: level, r: layout.dot - 1, class: "passed" }));
      marks.push(text(at, level + 4, String(reading.value), { class: "dot-text", anchor: "middle" }));
      texts.push(text(right + 26, level + 4, `${keys.size > 1 ? `${reading.key}: ` : ""}goes on`));
      used.add("passed");
      y += layout.rowHeight;
    }
  });
  const bottom = y + 4;
  if (watermark.length > 0) used.add("watermark");

  const ground: Array<string> = [];
  const spans = new Map<string, Row["window"]>();
  for (const { rows } of moments) for (const { window } of rows) spans.set(`${window.start} ${window.end}`, window);
  const ordered = [...spans.values()].sort((a, b) => a.start - b.start || a.end - b.end);
  const hasBands = draw.bands !== false && draw.gap === undefined;
  const isDisjoint = ordered.every(({ end }, k) => k + 1 === ordered.length || end <= ordered[k + 1].start);
  if (hasBands && isDisjoint) {
    for (const { start, end } of ordered) {
      const [from, to] = [boundaryOf(start), boundaryOf(end)];
      ground.push(element("rect", { x: from, y: top - 4, width: to - from, height: bottom - top + 4, class: "band" }));
    }
  }
  const ticks = draw.ticks ??
    Array.from({ length: Math.floor((draw.to - draw.from) / draw.every) + 1 }, (_, k) => draw.from + k * draw.every);
  for (const time of ticks) {
    ground.push(line(x(time), top - 8, x(time), bottom, "grid"));
    ground.push(text(x(time), top - 13, writeTime(draw, time), { class: "soft", anchor: "middle" }));
  }
  if (hasBands) {
    for (const time of new Set(ordered.flatMap(({ start, end }) => [start, end]))) {
      if (time >= draw.from && time <= draw.to) ground.push(line(x(time), top - 4, x(time), bottom, "edge"));
    }
  }
  ground.push(
    text(right + 26, top - 13, axisOf(draw), {
      class: "soft",
    }),
  );

  const path = (points: ReadonlyArray<readonly [number, number]>, kind: string): string =>
    points.length === 0 ? "" : element("path", {
      d: [...points, [points.at(-1)![0], bottom] as const].map(([x, y], k) =>
        `${k === 0 ? "M" : "L"}${round(x)} ${round(y)}`
      ).join(""),
      class: kind,
    });
  const lines = [
    ...(splits.length > 1 ? own.map((points) => path(points, "own")) : []),
    path(watermark, "watermark"),
  ];
  if (splits.length > 1) used.add("own");

  const { legend, height } = drawLegend(used, bottom + 22);
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "aria-labelledby": "t d",
    },
    [
      "",
      element("title", { id: "t" }, escape(scenario.title)),
      element("desc", { id: "d" }, escape(describe(draw, moments))),
      element("style", {}, style),
      element("rect", { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 6, class: "paper" }),
      ...ground,
      ...bars,
      ...lines.filter((one) => one !== ""),
      ...marks,
      ...texts,
      ...legend,
      "",
    ].join("\n"),
  ) + "\n";
};

/** What the signs in a picture mean, always in the same order. */
const drawLegend = (
  used: ReadonlySet<string>,
  top: number,
): { readonly legend: ReadonlyArray<string>; readonly height: number } => {
  const entries: ReadonlyArray<readonly [name: string, words: string, (x: number, y: number) => string]> = [
    ["record", "record, with its value", (x, y) => element("circle", { cx: x, cy: y, r: 6, class: "dot" })],
    [
      "too late",
      "too late",
      (x, y) => element("circle", { cx: x, cy: y, r: 6, class: "missed" }) + line(x - 5, y + 5, x + 5, y - 5, "cross"),
    ],
    [
      "twin",
      "duplicate",
      (x, y) => element("circle", { cx: x, cy: y, r: 6, class: "twin" }),
    ],
    [
      "waiting",
      "not read yet",
      (x, y) => element("circle", { cx: x, cy: y, r: 6, class: "waiting" }),
    ],
    [
      "gap",
      "its gap",
      (x, y) => line(x - 8, y, x + 8, y, "gap") + line(x + 8, y - 4, x + 8, y + 4, "gap"),
    ],
    [
      "reach",
      "where its duplicates are",
      (x, y) =>
        line(x - 8, y, x + 8, y, "gap") + line(x - 8, y - 4, x - 8, y + 4, "gap") +
        line(x + 8, y - 4, x + 8, y + 4, "gap"),
    ],
    ["passed", "record that goes on", (x, y) => element("circle", { cx: x, cy: y, r: 6, class: "passed" })],
    ["watermark", "watermark", (x, y) => line(x, y - 7, x, y + 7, "watermark")],
    ["own", "watermark of one split", (x, y) => line(x, y - 7, x, y + 7, "own")],
    ["early", "early pane", (x, y) => sign("early", x, y)],
    ["on-time", "pane on time", (x, y) => sign("on-time", x, y)],
    ["late", "late pane", (x, y) => sign("late", x, y)],
    ["back", "taken back", (x, y) => sign("back", x, y)],
  ];
  const legend: Array<string> = [];
  let [x, y] = [22, top];
  for (const [name, words, picture] of entries) {
    if (!used.has(name)) continue;
    const room = 14 + words.length * layout.letter + 34;
    if (x + room > layout.width) [x, y] = [22, y + layout.legendHeight];
    legend.push(picture(x, y - 4), text(x + 14, y, words, { class: "soft" }));
    x += room;
  }
  return { legend, height: Math.ceil(y + 14) };
};
