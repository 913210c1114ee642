/**
 * When a window says what it knows.
 *
 * What has come since a window last said something is its *pane*. A condition looks at the records of the pane and at
 * the watermark, and at nothing else. The clock is left out: no two runs see the same.
 */
import type { Entry } from "./window.ts";

export type Condition =
  /** So many records are in the pane. */
  | { readonly kind: "afterCount"; readonly count: number }
  /** The watermark has reached the next multiple of `interval` after the pane's first instant. */
  | { readonly kind: "afterEventTime"; readonly interval: number }
  | { readonly kind: "firstOf" | "allOf"; readonly conditions: ReadonlyArray<Condition> };

export type Trigger =
  | {
    readonly kind: "atWatermark";
    readonly early: Condition | null;
    readonly late: Condition;
    readonly onTime: "when-changed" | "always";
  }
  | { readonly kind: "once" | "repeatedly"; readonly condition: Condition };

export const afterCount = (count: number): Condition => ({ kind: "afterCount", count });

export const afterEventTime = (interval: number): Condition => ({ kind: "afterEventTime", interval });

export const firstOf = (...conditions: ReadonlyArray<Condition>): Condition => ({ kind: "firstOf", conditions });

export const allOf = (...conditions: ReadonlyArray<Condition>): Condition => ({ kind: "allOf", conditions });

export const once = (condition: Condition): Trigger => ({ kind: "once", condition });

export const repeatedly = (condition: Condition): Trigger => ({ kind: "repeatedly", condition });

/** When the watermark reaches the end, and for each late record. */
export const atEnd: Trigger = { kind: "atWatermark", early: null, late: afterCount(1), onTime: "when-changed" };

export const atWatermark = (options: Partial<Omit<Trigger & { kind: "atWatermark" }, "kind">>): Trigger => ({
  ...atEnd,
  ...options,
});

/** Whether a trigger fires like one that was not given at all. */
export const isDefault = (trigger: Trigger): boolean =>
  trigger.kind === "atWatermark" && trigger.early === null && trigger.onTime === "when-changed" &&
  trigger.late.kind === "afterCount" && trigger.late.count === 1;

/**
 * The condition that fires panes of a window, at this watermark and after so many results; null for none. At the end of a
 * window the watermark itself may be what fires: that is told elsewhere.
 */
export const inForce = (trigger: Trigger, end: number, watermark: number, results: number): Condition | null => {
  switch (trigger.kind) {
    case "atWatermark":
      return watermark < end ? trigger.early : trigger.late;
    case "once":
      return results === 0 ? trigger.condition : null;
    case "repeatedly":
      return trigger.condition;
  }
};

/** Whether a condition is met. Where nothing has come none is. */
export const isMet = (condition: Condition, pane: ReadonlyArray<Entry<unknown>>, watermark: number): boolean => {
  if (pane.length === 0) return false;
  switch (condition.kind) {
    case "afterCount":
      return pane.length >= condition.count;
    case "afterEventTime":
      return watermark >= nextMultiple(condition.interval, pane);
    case "firstOf":
      return condition.conditions.some((one) => isMet(one, pane, watermark));
    case "allOf":
      return condition.conditions.every((one) => isMet(one, pane, watermark));
  }
};

/** The watermarks at which a condition may come to be met. */
export const instantsOf = (condition: Condition, pane: ReadonlyArray<Entry<unknown>>): ReadonlyArray<number> => {
  if (pane.length === 0) return [];
  switch (condition.kind) {
    case "afterCount":
      return [];
    case "afterEventTime":
      return [nextMultiple(condition.interval, pane)];
    default:
      return condition.conditions.flatMap((one) => instantsOf(one, pane));
  }
};

/** A record is in the pane from its event time on, but not from before the watermark that it met. */
const nextMultiple = (interval: number, pane: ReadonlyArray<Entry<unknown>>): number => {
  const from = Math.min(...pane.map(({ time, met }) => Math.max(time, met)));
  return (Math.floor(from / interval) + 1) * interval;
};
