/**
 * All pictures, in the order of the page.
 *
 * @module
 */
import type { Scenario } from "./scenario.ts";
import { panes } from "./scenarios/panes.ts";
import { triggers } from "./scenarios/triggers.ts";
import { watermarks } from "./scenarios/watermarks.ts";
import { windows } from "./scenarios/windows.ts";

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
    text:
      "An assigner says which windows a record is in. Without a trigger a window says one thing for each key: when " +
      "the watermark reaches its end.",
    file: "windows.ts",
    scenarios: windows,
  },
  {
    title: "Triggers",
    text: "A trigger says when a window speaks. What has come since it last spoke is a pane, and a trigger looks at " +
      "nothing else: how many records are in the pane, how early they are, when they came.",
    file: "triggers.ts",
    scenarios: triggers,
  },
  {
    title: "Pane modes",
    text: "Where a window speaks more than once, the pane mode says what each pane is about. All three pictures have " +
      "the same records and the same trigger.",
    file: "panes.ts",
    scenarios: panes,
  },
];
