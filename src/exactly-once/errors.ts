/**
 * What can go wrong while an epoch is committed or published.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import type { Cause } from "effect";

/** The class that {@link Fenced} extends: its fields and its constructor. */
export const FencedBase: Schema.Class<
  Fenced,
  Schema.TaggedStruct<
    "Fenced",
    { readonly message: Schema.String; readonly job: Schema.String; readonly claim: Schema.String }
  >,
  Cause.YieldableError
> = Schema.TaggedError<Fenced>()("Fenced", { message: Schema.String, job: Schema.String, claim: Schema.String });

/** Another process has claimed the job, so this one may not write any more. Never retried. */
export class Fenced extends FencedBase {}

/** The class that {@link SinkError} extends: its fields and its constructor. */
export const SinkErrorBase: Schema.Class<
  SinkError,
  Schema.TaggedStruct<"SinkError", {
    readonly message: Schema.String;
    readonly sink: Schema.String;
    readonly epoch: Schema.Number;
    readonly retryable: Schema.Boolean;
    readonly cause: Schema.Unknown;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<SinkError>()("SinkError", {
  message: Schema.String,
  sink: Schema.String,
  epoch: Schema.Number,
  retryable: Schema.Boolean,
  cause: Schema.Unknown,
});

/** A sink could not be opened (`epoch` is 0) or could not publish an epoch. */
export class SinkError extends SinkErrorBase {}

/** The class that {@link StateBehindOutput} extends: its fields and its constructor. */
export const StateBehindOutputBase: Schema.Class<
  StateBehindOutput,
  Schema.TaggedStruct<"StateBehindOutput", {
    readonly message: Schema.String;
    readonly sink: Schema.String;
    readonly committed: Schema.Number;
    readonly found: Schema.Number;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<StateBehindOutput>()("StateBehindOutput", {
  message: Schema.String,
  sink: Schema.String,
  committed: Schema.Number,
  found: Schema.Number,
});

/** A sink holds more than the state knows of (it was restored from an old copy, or removed). Never retried. */
export class StateBehindOutput extends StateBehindOutputBase {}

/** The class that {@link PublicationUnknown} extends: its fields and its constructor. */
export const PublicationUnknownBase: Schema.Class<
  PublicationUnknown,
  Schema.TaggedStruct<"PublicationUnknown", {
    readonly message: Schema.String;
    readonly sink: Schema.String;
    readonly published: Schema.Number;
    readonly committed: Schema.Number;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<PublicationUnknown>()("PublicationUnknown", {
  message: Schema.String,
  sink: Schema.String,
  published: Schema.Number,
  committed: Schema.Number,
});

/**
 * There is output that was committed, and the sink has forgotten whether it was published: its marker is gone. Publishing it
 * could repeat it, and not publishing it could lose it, so a person decides. Never retried.
 */
export class PublicationUnknown extends PublicationUnknownBase {}

/** Why a sink cannot be opened. */
export type SinkOpenError = SinkError | StateBehindOutput | PublicationUnknown;
