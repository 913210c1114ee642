/**
 * Windows: which records are aggregated together. They are spans of event time (tumbling, sliding, calendar, sessions or
 * custom ones), spans of the clock, a number of records, or everything.
 *
 * @module
 */
export {
  type Assigner,
  type AssignerOf,
  type ByEventTime,
  type CountAssigner,
  everything,
  global,
  type GlobalAssigner,
  type OneWindow,
  session,
  type SessionAssigner,
  type SeveralWindows,
  slidesMax,
  sliding,
  type SlidingAssigner,
  type SpansAssigner,
  tumbling,
  type WithoutEventTime,
} from "./assigner.ts";
export { calendar, type CalendarOptions, type CalendarUnit, type Weekday } from "./calendar.ts";
export { count, countSlicesMax } from "./count.ts";
export { custom, type CustomOptions } from "./custom.ts";
export { slidingProcessingTime, tumblingProcessingTime } from "./processing-time.ts";
export type { Late, Timing, Window, WindowChange, WindowResult } from "./window.ts";
