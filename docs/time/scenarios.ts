/**
 * All pictures, in the order of the page.
 *
 * @module
 */
import type { Scenario } from "./scenario.ts";
import { duplicates } from "./scenarios/duplicates.ts";
import { panes } from "./scenarios/panes.ts";
import { triggers } from "./scenarios/triggers.ts";
import { watermarks } from "./scenarios/watermarks.ts";
import { windows } from "./scenarios/windows.ts";
import { windowsOfWindows } from "./scenarios/windows-of-windows.ts";

/** Some pictures under one heading. */
export interface Part {
  readonly title: string;
  /** What they are about. Markdown. */
  readonly text: string;
  /** The file that the scenarios are in. */
  readonly file: string;
  readonly scenarios: ReadonlyArray<Scenario>;
}

/** The parts of the page. */
export const parts: ReadonlyArray<Part> = [
  {
    title: "Watermarks",
    text:
      "A watermark says how far event time has come. It never goes back. Each split has one, and the flow has the " +
      "least of them.",
    file: "watermarks.ts",
    scenarios: watermarks,
  },
  {
    title: "Windows",
    text: "An assigner says which windows a record is in. Without a trigger a window fires once, when the watermark " +
      "reaches its end: one result for each key.",
    file: "windows.ts",
    scenarios: windows,
  },
  {
    title: "Triggers",
    text:
      "A trigger says when a window fires. A pane is what has come since it last fired. A trigger looks at nothing " +
      "else: how many records are in the pane, how early they are, when they came.",
    file: "triggers.ts",
    scenarios: triggers,
  },
  {
    title: "Pane modes",
    text:
      "Where a window fires more than once, the pane mode says what each result is about. The first three pictures " +
      "have the same records and the same trigger.",
    file: "panes.ts",
    scenarios: panes,
  },
  {
    title: "Windows of windows",
    text:
      "A result is a record, with an event time of its own: the last millisecond of its window, `end - 1`. For a global " +
      "window it is that of its latest record. So results can be windowed again. They are in the window that holds their " +
      "own window, and they are not late there: what the watermark makes fire goes on before the watermark does.",
    file: "windows-of-windows.ts",
    scenarios: windowsOfWindows,
  },
  {
    title: "De-duplication",
    text:
      "`Flow.deduplicate` lets one of several records through that have the same key and are close in event time. The key " +
      "says what a duplicate is. A record that is no duplicate begins a group; its duplicates are `within` a while of it, " +
      "before or after. Duplicates begin no groups.",
    file: "duplicates.ts",
    scenarios: duplicates,
  },
];
