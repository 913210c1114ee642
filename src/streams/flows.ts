/**
 * Flows: what a person composes, from a source through operators to sinks.
 *
 * @module
 */
export {
  branch,
  type Branched,
  changelog,
  type CompleteFlow,
  eventTime,
  type EventTimeOptions,
  filter,
  flatMap,
  type Flow,
  from,
  keyBy,
  map,
  mapEffect,
  mapEffectConcurrency,
  merge,
  onError,
  type SideFlow,
  type SideOutput,
  to,
} from "./flow.ts";
export {
  type ChangesOf,
  type OnlyIfMerges,
  type Panes,
  type TimeFor,
  window,
  type WindowOptions,
  type WindowOutput,
  type WindowsFor,
} from "./flow-window.ts";
export { deduplicate, type DeduplicateOptions } from "./flow-deduplicate.ts";
export { topN, type TopNOptions } from "./flow-top-n.ts";
export { type Ranked, rankedSchema } from "./ranked.ts";
export type { Append, EventTime, Keyed, NoEventTime, NotKeyed, Update } from "./flow-states.ts";
export {
  type DeadLetter,
  type DeadLetterJson,
  deadLetterSchema,
  type HeaderJson,
  type RawForm,
  reasonCharactersMax,
  recordBytesMax,
  type RecordParts,
} from "./dead-letter.ts";
export { lateSchema, windowChangeSchema, windowResultSchema } from "./window-schemas.ts";
export type { Key } from "../kv-state/key.ts";
