/**
 * Windows: spans of event time that records are grouped by.
 *
 * @module
 */
export {
  type Assigner,
  type ByEventTime,
  type CountAssigner,
  everything,
  global,
  type GlobalAssigner,
  type OneWindow,
  session,
  type SessionAssigner,
  type SeveralWindows,
  sliding,
  type SlidingAssigner,
  type SpansAssigner,
  tumbling,
  type WithoutEventTime,
} from "./assigner.ts";
export type { Late, Timing, Window, WindowChange, WindowResult } from "./window.ts";
