/**
 * Windows: spans of event time that records are grouped by.
 *
 * @module
 */
export { type Assigner, session, type SessionAssigner, sliding, type SlidingAssigner, tumbling } from "./assigner.ts";
export type { Late, Window, WindowResult } from "./window.ts";
