/**
 * What can go wrong at the storage boundary.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import type { Cause } from "effect";

/** The class that {@link KvError} extends: its fields and its constructor. */
export const KvErrorBase: Schema.Class<
  KvError,
  Schema.TaggedStruct<"KvError", {
    readonly message: Schema.String;
    readonly operation: Schema.String;
    readonly retryable: Schema.Boolean;
    readonly cause: Schema.Unknown;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<KvError>()("KvError", {
  message: Schema.String,
  operation: Schema.String,
  retryable: Schema.Boolean,
  cause: Schema.Unknown,
});

/**
 * The key-value store failed.
 *
 * After a failed commit the outcome is unknown: it may or may not have been applied, so the caller reads back.
 */
export class KvError extends KvErrorBase {}

/** The class that {@link StateCorrupted} extends: its fields and its constructor. */
export const StateCorruptedBase: Schema.Class<
  StateCorrupted,
  Schema.TaggedStruct<"StateCorrupted", {
    readonly message: Schema.String;
    readonly job: Schema.String;
    readonly segment: Schema.String;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<StateCorrupted>()("StateCorrupted", {
  message: Schema.String,
  job: Schema.String,
  segment: Schema.String,
});

/** Stored bytes do not match their checksum, or a segment that the manifest names is missing. Never retried. */
export class StateCorrupted extends StateCorruptedBase {}

/** The class that {@link IncompatibleState} extends: its fields and its constructor. */
export const IncompatibleStateBase: Schema.Class<
  IncompatibleState,
  Schema.TaggedStruct<"IncompatibleState", {
    readonly message: Schema.String;
    readonly job: Schema.String;
    readonly rule: Schema.String;
    readonly stored: Schema.Unknown;
    readonly current: Schema.Unknown;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<IncompatibleState>()("IncompatibleState", {
  message: Schema.String,
  job: Schema.String,
  rule: Schema.String,
  stored: Schema.Unknown,
  current: Schema.Unknown,
});

/** The stored state belongs to another job, another format version, or a job whose code has changed. Never retried. */
export class IncompatibleState extends IncompatibleStateBase {}
