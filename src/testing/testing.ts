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
  type WithServices,
} from "./harness.ts";
