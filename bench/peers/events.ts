/**
 * How many events a query is run over, so that the faster system takes about two seconds and the slower one not too many.
 *
 * @module
 */
import type { FlinkState, SinkKind } from "./systems.ts";

/** In millions, by how much each does with an event. */
const millions: Readonly<Record<string, number>> = {
  q0: 8,
  q1: 8,
  q2: 8,
  q5: 3,
  q7: 6,
  q11: 2,
  q12: 3,
  q14: 8,
  q15: 3,
  q16: 2,
  q17: 3,
  q18: 2,
  q19: 2,
  q21: 6,
  q22: 6,
};

/** What writes every row, or keeps its state on disk, does less in the same time. */
const share = (state: FlinkState, sink: SinkKind): number =>
  (state === "rocksdb" ? 0.4 : 1) * (sink === "file" ? 0.2 : 1);

/** The number of events of a run. */
export const eventsOf = (query: string, state: FlinkState, sink: SinkKind): number =>
  Math.ceil((millions[query] ?? 2) * share(state, sink) * 1e6);
