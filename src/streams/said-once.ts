/**
 * The windows that have the least to do: each says one thing of a key at its end.
 *
 * @module
 */
import type { WindowNode } from "./node.ts";

/** Whether a window says one thing at its end, and then only corrects it record by record. */
export const isSaidOnce = ({ assigner, trigger, panes }: Pick<WindowNode, "assigner" | "trigger" | "panes">): boolean =>
  assigner.time === "event time" && panes === "accumulating" && trigger._tag === "AtWatermark" &&
  !trigger.onTimeAlways && trigger.early === null && trigger.late._tag === "AfterCount" && trigger.late.count === 1;
