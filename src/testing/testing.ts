/**
 * Testing jobs: by hand, in a simulation, and by what they have written.
 *
 * @module
 */
export {
  type HarnessOptions,
  settledMillisMax,
  type SinkRef,
  type SourceRef,
  StillWaiting,
  TestHarness,
} from "./harness.ts";
export type { WithServices } from "../streams/with-services.ts";
export { simulate, simulateDefaults, type SimulateOptions, type SimulateReport } from "./simulate.ts";
export { SimulationFailed } from "./simulation/simulation-failed.ts";
export type { Outputs, Simulated, WithOutputs } from "./simulation/subject.ts";
export type { GivenRecords } from "./simulation/read-ahead.ts";
export type { Fault, FaultKind, Port } from "./simulation/faults.ts";
export type { TraceEvent } from "./simulation/trace.ts";
export {
  checkExactlyOnce,
  type CheckOptions,
  type CheckReport,
  type FoundRow,
  type FoundRows,
  type OutputToCheck,
  shownMaxDefault,
} from "./check-exactly-once.ts";
export { NotExactlyOnce } from "./checking/not-exactly-once.ts";
