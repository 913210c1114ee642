/**
 * Jobs: flows that run together, under one guarantee.
 *
 * @module
 */
export { type Job, make, type ServicesOf } from "./job.ts";
export {
  type JobError,
  type JobSummary,
  keyedPartitionsMax,
  type Restart,
  run,
  runDefaults,
  type RunningJob,
  type RunOptions,
  start,
  type Started,
} from "./run.ts";
export type { RunMode } from "./run-mode.ts";
export { main, type MainOptions } from "./main.ts";
export type { WithServices } from "./with-services.ts";
export type { EpochMetrics, JobMetrics, QueueMetrics, SinkMetrics, SplitMetrics } from "./metrics.ts";
export type { Counters } from "./operators/stateful.ts";
export type { HotKey } from "../actors/hot-keys.ts";
export type { MailboxStats } from "../actors/mailbox.ts";
export type { EndsAllowed, EndsOf, Guarantee } from "../exactly-once/guarantee.ts";
export { Fenced, FencedBase } from "../exactly-once/errors.ts";
export { InvalidJob, InvalidJobBase, UserCodeError, UserCodeErrorBase } from "./errors.ts";
export {
  IncompatibleState,
  IncompatibleStateBase,
  KvError,
  KvErrorBase,
  StateCorrupted,
  StateCorruptedBase,
} from "../kv-state/errors.ts";
export type { Kv, KvCheck, KvCommit, KvEntry, KvKey, KvMutation, KvProvider } from "../kv-state/kv.ts";
