/**
 * Windows that are spans of event time, for one key.
 *
 * A *cell* is one window of the key. It simply keeps its records. The watermark advances in small steps: it stops at
 * every instant at which anything can happen to any cell, and each cell is then looked at in the order of their creation.
 */
import { type Assigner, type Span, windowsOf } from "./assigner.ts";
import { inForce, instantsOf, isDefault, isMet } from "./trigger.ts";
import type { Entry, Said, Taken, WindowPlan, Windows } from "./window.ts";

interface Cell<A, B> {
  readonly window: Span;
  /** All its records. */
  readonly entries: ReadonlyArray<Entry<A>>;
  /** Those that have come since it last said something. */
  readonly pane: ReadonlyArray<Entry<A>>;
  /** How often it has said something. */
  readonly results: number;
  /** What it has said and not taken back. */
  readonly standing: Said<B> | null;
}

export const cellWindows = <A, B>(plan: Required<WindowPlan<A, B>>): Windows<A, B> => {
  const { assigner, trigger, panes, lateness } = plan;
  const always = trigger.kind === "atWatermark" && trigger.onTime === "always";
  /** In the order of their creation. */
  let cells: ReadonlyArray<Cell<A, B>> = [];
  let watermark = -Infinity;

  const isClosed = ({ end }: Span): boolean => end + lateness <= watermark;

  const replace = (old: Cell<A, B>, by: Cell<A, B>): Cell<A, B> => {
    cells = cells.map((cell) => cell === old ? by : cell);
    return by;
  };

  const remove = ({ window }: Cell<A, B>): void => {
    cells = cells.filter((cell) => cell.window !== window);
  };

  /** A cell says what it knows. */
  const fire = (cell: Cell<A, B>, timing: Said<B>["timing"], final: boolean): Array<Said<B>> => {
    const about = panes === "discarding" ? cell.pane : cell.entries;
    const value = plan.summary(inOrder(plan, about));
    const said: Said<B> = { window: cell.window, value, pane: cell.results, timing, final };
    const standing = panes === "retracting" ? said : null;
    replace(cell, { ...cell, pane: [], results: cell.results + 1, standing });
    return panes === "retracting" ? [...takeBack(cell), { ...said, change: "add" }] : [said];
  };

  /** What a cell has said is no longer true. */
  const takeBack = ({ standing }: Cell<A, B>): Array<Said<B>> =>
    standing === null ? [] : [{ ...standing, final: false, change: "retract" }];

  /** What happens to a cell when the watermark is exactly at an instant. */
  const happen = (cell: Cell<A, B>): Array<Said<B>> => {
    const { window: { end }, pane, results } = cell;
    if (watermark === end + lateness) {
      const last = pane.length > 0 || (always && lateness === 0)
        ? fire(cell, lateness === 0 ? "on-time" : "late", true)
        : [];
      remove(cell);
      return last;
    }
    if (watermark === end && trigger.kind === "atWatermark") {
      return pane.length > 0 || always ? fire(cell, "on-time", false) : [];
    }
    const condition = inForce(trigger, end, watermark, results);
    if (condition === null || !isMet(condition, pane, watermark)) return [];
    return fire(cell, watermark < end ? "early" : watermark > end ? "late" : "on-time", false);
  };

  /** The instants ahead at which something can happen to a cell as it is. */
  const instants = ({ window: { end }, pane, results }: Cell<A, B>): ReadonlyArray<number> => {
    const condition = inForce(trigger, end, watermark, results);
    const all = [end, end + lateness, ...(condition === null ? [] : instantsOf(condition, pane))];
    return all.filter((instant) => instant > watermark);
  };

  const advance = (to: number): Array<Said<B>> => {
    if (to === Infinity) return endOfInput();
    const said: Array<Said<B>> = [];
    for (;;) {
      const instant = Math.min(...cells.flatMap(instants));
      if (instant > to) break;
      watermark = instant;
      for (const cell of cells) said.push(...happen(cell));
    }
    watermark = to;
    return said;
  };

  /** Every cell says what it has not said yet: one that was not over is on time. */
  const endOfInput = (): Array<Said<B>> => {
    const last = cells.map((cell) => {
      const { end } = cell.window;
      const isOnTime = end > watermark;
      return { cell, isOnTime, due: isOnTime && trigger.kind === "atWatermark" ? end : end + lateness };
    });
    // The sort is stable: of one instant, the cell that was created first comes first.
    last.sort((a, b) => a.due - b.due);
    watermark = Infinity;
    const said = last.flatMap(({ cell, isOnTime }) =>
      cell.pane.length > 0 || (always && isOnTime) ? fire(cell, isOnTime ? "on-time" : "late", true) : []
    );
    cells = [];
    return said;
  };

  /** A record goes into a cell. */
  const put = (cell: Cell<A, B>, entry: Entry<A>): Array<Said<B>> => {
    const { window: { end }, results } = cell;
    const fuller = replace(cell, { ...cell, entries: [...cell.entries, entry], pane: [...cell.pane, entry] });
    const condition = inForce(trigger, end, watermark, results);
    if (condition === null || !isMet(condition, fuller.pane, watermark)) return [];
    return fire(fuller, watermark < end ? "early" : "late", false);
  };

  const create = (window: Span): Cell<A, B> => {
    const cell = { window, entries: [], pane: [], results: 0, standing: null };
    cells = [...cells, cell];
    return cell;
  };

  const add = (entry: Entry<A>): Taken<B> | { readonly late: Span } => {
    const windows = windowsOf(assigner, entry.time, entry.value);
    const open = windows.filter((window) => !isClosed(window));
    if (open.length === 0) return { late: windows[windows.length - 1] };
    return {
      said: open.flatMap((window) => {
        const cell = cells.find((cell) => cell.window.start === window.start && cell.window.end === window.end);
        return put(cell ?? create(window), entry);
      }),
      admitted: open.some(({ end }) => end <= watermark),
    };
  };

  /** A record of sessions: those that its span touches become one. */
  const addToSession = (entry: Entry<A>): Taken<B> | { readonly late: Span } => {
    const [span] = windowsOf(assigner, entry.time, entry.value);
    const touched = cells
      .filter(({ window }) => !isClosed(window) && window.start <= span.end && span.start <= window.end)
      .toSorted((a, b) => a.window.start - b.window.start);
    if (touched.length === 0) {
      if (isClosed(span)) return { late: span };
      return { said: put(create(span), entry), admitted: span.end <= watermark };
    }
    const window = {
      start: Math.min(span.start, touched[0].window.start),
      end: Math.max(span.end, ...touched.map(({ window }) => window.end)),
    };
    const [first, ...others] = touched;
    const isSame = others.length === 0 && window.start === first.window.start && window.end === first.window.end;
    if (isSame) return { said: put(first, entry), admitted: window.end <= watermark };
    const merged = replace(first, {
      window,
      // Sessions that become one put their records one after the other, by their place in event time.
      entries: touched.flatMap(({ entries }) => entries),
      pane: touched.flatMap(({ pane }) => pane),
      results: Math.max(...touched.map(({ results }) => results)),
      standing: null,
    });
    others.forEach(remove);
    return { said: [...touched.flatMap(takeBack), ...put(merged, entry)], admitted: window.end <= watermark };
  };

  return { advance, add: assigner.kind === "session" ? addToSession : add };
};

/**
 * The records of a pane, in the order in which an aggregate takes them: that of arrival. Only sliding windows that do
 * nothing but fire at their end put them in order of the slices that window borders cut time into.
 */
const inOrder = <A, B>(
  { assigner, trigger, panes }: Required<WindowPlan<A, B>>,
  entries: ReadonlyArray<Entry<A>>,
): ReadonlyArray<Entry<A>> => {
  if (assigner.kind !== "sliding" || !isDefault(trigger) || panes !== "accumulating") return entries;
  return entries.toSorted((a, b) => sliceOf(assigner, a.time) - sliceOf(assigner, b.time));
};

const sliceOf = ({ size, slide, offset }: Assigner & { readonly kind: "sliding" }, time: number): number =>
  Math.floor((time - offset) / gcd(size, slide));

const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);
