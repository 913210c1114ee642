/**
 * Pictures of measurements, in SVG: bars of rates, and latencies on a logarithmic axis. A row for each thing measured.
 *
 * The same figures always give the same text.
 *
 * @module
 */
import { element, escape, line, round, text } from "../../docs/time/svg.ts";
import type { Spread } from "./spread.ts";
import { inMillis, inPrefixes } from "./table.ts";

/** Rates of one system: one for each row, null where there is none. */
export interface RateSeries {
  readonly name: string;
  readonly rates: ReadonlyArray<Spread | null>;
}

/** Quantiles of one latency, in milliseconds: one for each row, null where there is none. */
export interface LatencySeries {
  readonly name: string;
  readonly quantiles: ReadonlyArray<{ readonly p50: number; readonly p99: number; readonly p999: number } | null>;
}

/** A part of a picture, drawn from `top` down. */
export interface Panel {
  readonly height: number;
  readonly draw: (top: number) => ReadonlyArray<string>;
}

/** The sizes of a picture, in pixels. */
const layout = { width: 780, left: 98, right: 660, row: 11, gap: 7, head: 52, foot: 14, letter: 6.6 };

/** Colours that people with any kind of colour vision tell apart, on light and on dark ground. */
const colours = ["one", "two", "three", "four", "five", "six"];
const style = `
text{font:12px system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;fill:#24292f}
.title{font-weight:600;font-size:14px}.soft{fill:#5b6470}.small{font-size:10.5px;fill:#5b6470}
.paper{fill:#fcfcfa;stroke:#d0d4d9}.grid{stroke:#d9dde2;stroke-width:1}.spread{stroke:#24292f;stroke-width:1}
.one{fill:#0067a5;stroke:#0067a5}.two{fill:#b04300;stroke:#b04300}.three{fill:#00704f;stroke:#00704f}
.four{fill:#8a2f8f;stroke:#8a2f8f}.five{fill:#6b7480;stroke:#6b7480}.six{fill:#a07800;stroke:#a07800}
.bar{stroke:none}.range{stroke-width:2}.hollow{fill:#fcfcfa;stroke-width:1.5}
@media (prefers-color-scheme:dark){text{fill:#e6e9ed}.soft,.small{fill:#a3acb8}.paper{fill:#15191e;stroke:#3a424c}.grid{stroke:#2b323a}
.spread{stroke:#e6e9ed}.one{fill:#6ab8ea;stroke:#6ab8ea}.two{fill:#ff9a57;stroke:#ff9a57}.three{fill:#3fc79a;stroke:#3fc79a}
.four{fill:#d58be0;stroke:#d58be0}.five{fill:#a3acb8;stroke:#a3acb8}.six{fill:#e0be4a;stroke:#e0be4a}.hollow{fill:#15191e}.bar{stroke:none}}
`.trim().replaceAll("\n", "");

const heightOf = (rows: number, series: number): number =>
  layout.head + rows * (series * layout.row + layout.gap) + layout.foot;

/** What a panel begins with: its title, and what its colours mean. */
const headOf = (title: string, names: ReadonlyArray<string>, top: number): ReadonlyArray<string> => {
  const drawn = [text(layout.left, top + 16, title, { class: "title" })];
  let x = layout.left;
  names.forEach((name, k) => {
    drawn.push(
      element("rect", { x, y: top + 25, width: 9, height: 9, class: `${colours[k]} bar` }),
      text(x + 14, top + 34, name, { class: "soft" }),
    );
    x += 30 + name.length * layout.letter;
  });
  return drawn;
};

/** The round number at or above a value, of which an axis has a few steps. */
const niceMax = (value: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((one) => one >= value)!;
};

/** Bars from zero on: as long as the median, with the least and the greatest as a line. */
export const ratePanel = (
  title: string,
  labels: ReadonlyArray<string>,
  series: ReadonlyArray<RateSeries>,
): Panel => ({
  height: heightOf(labels.length, series.length),
  draw: (top) => {
    const { left, right, row, gap, head, foot } = layout;
    const bottom = top + heightOf(labels.length, series.length) - foot;
    const max = niceMax(Math.max(...series.flatMap(({ rates }) => rates.map((rate) => rate?.max ?? 0))));
    const x = (rate: number): number => left + rate / max * (right - left);
    const drawn = [...headOf(title, series.map(({ name }) => name), top)];
    for (let step = 0; step <= 4; step++) {
      const at = x(max * step / 4);
      drawn.push(line(at, top + head - 6, at, bottom, "grid"));
      drawn.push(text(at, bottom + 12, inPrefixes(max * step / 4), { class: "small", anchor: "middle" }));
    }
    labels.forEach((label, k) => {
      const y = top + head + k * (series.length * row + gap);
      drawn.push(text(left - 8, y + series.length * row / 2 + 4, label, { anchor: "end" }));
      series.forEach(({ rates }, s) => {
        const rate = rates[k];
        if (rate === null) return;
        const middle = y + s * row + row / 2;
        drawn.push(
          element("rect", {
            x: left,
            y: y + s * row,
            width: Math.max(x(rate.median) - left, 1),
            height: row - 1,
            class: `${colours[s]} bar`,
          }),
          line(x(rate.min), middle, x(rate.max), middle, "spread"),
          text(Math.max(x(rate.max), x(rate.median)) + 6, middle + 4, inPrefixes(rate.median), { class: "small" }),
        );
      });
    });
    return drawn;
  },
});

/** From the median (a dot) over the 99th percentile (a ring) to the 99.9th (a stroke), on a logarithmic axis. */
export const latencyPanel = (
  title: string,
  labels: ReadonlyArray<string>,
  series: ReadonlyArray<LatencySeries>,
): Panel => ({
  height: heightOf(labels.length, series.length) + layout.foot,
  draw: (top) => {
    const { left, right, row, gap, head, foot } = layout;
    const bottom = top + heightOf(labels.length, series.length) - foot;
    const all = series.flatMap(({ quantiles }) => quantiles.flatMap((one) => one === null ? [] : [one.p50, one.p999]));
    const least = Math.floor(Math.log10(Math.max(Math.min(...all), 0.01)));
    const most = Math.max(Math.ceil(Math.log10(Math.max(...all, 0.1))), least + 1);
    const x = (millis: number): number =>
      left + Math.max(0, Math.log10(millis) - least) / (most - least) * (right - left);
    const drawn = [...headOf(title, series.map(({ name }) => name), top)];
    for (let power = least; power <= most; power++) {
      const at = x(10 ** power);
      drawn.push(line(at, top + head - 6, at, bottom, "grid"));
      drawn.push(text(at, bottom + 12, `${10 ** power} ms`, { class: "small", anchor: "middle" }));
    }
    labels.forEach((label, k) => {
      const y = top + head + k * (series.length * row + gap);
      drawn.push(text(left - 8, y + series.length * row / 2 + 4, label, { anchor: "end" }));
      series.forEach(({ quantiles }, s) => {
        const one = quantiles[k];
        if (one === null) return;
        const middle = y + s * row + row / 2;
        const colour = colours[s];
        drawn.push(
          line(x(one.p50), middle, x(one.p999), middle, `${colour} range`),
          line(x(one.p999), middle - 4, x(one.p999), middle + 4, `${colour} range`),
          element("circle", { cx: x(one.p99), cy: middle, r: 3, class: `${colour} hollow` }),
          element("circle", { cx: x(one.p50), cy: middle, r: 3.5, class: colour }),
          text(x(one.p999) + 8, middle + 4, inMillis(one.p999), { class: "small" }),
        );
      });
    });
    drawn.push(text(left, bottom + 26, "dot: median; ring: 99 %; stroke and number: 99.9 %", { class: "small" }));
    return drawn;
  },
});

/** A picture of some panels, one below the other. */
export const picture = (title: string, words: string, panels: ReadonlyArray<Panel>): string => {
  const margin = 10;
  const drawn: Array<string> = [];
  let top = margin;
  for (const { height, draw } of panels) {
    drawn.push(...draw(top));
    top += height + margin;
  }
  const height = round(top + margin);
  const { width } = layout;
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
      element("title", { id: "t" }, escape(title)),
      element("desc", { id: "d" }, escape(words)),
      element("style", {}, style),
      element("rect", { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 6, class: "paper" }),
      ...drawn,
      "",
    ].join("\n"),
  ) + "\n";
};
