/**
 * What can go wrong in a flow and in the job that runs it.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import type { Cause } from "effect";

/** The class that {@link SourceError} extends: its fields and its constructor. */
export const SourceErrorBase: Schema.Class<
  SourceError,
  Schema.TaggedStruct<"SourceError", {
    readonly message: Schema.String;
    readonly source: Schema.String;
    readonly split: Schema.String;
    readonly position: Schema.Unknown;
    readonly retryable: Schema.Boolean;
    readonly cause: Schema.Unknown;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<SourceError>()("SourceError", {
  message: Schema.String,
  source: Schema.String,
  split: Schema.String,
  position: Schema.Unknown,
  retryable: Schema.Boolean,
  cause: Schema.Unknown,
});

/** A source could not be listed or read. */
export class SourceError extends SourceErrorBase {}

/** The class that {@link DecodeError} extends: its fields and its constructor. */
export const DecodeErrorBase: Schema.Class<
  DecodeError,
  Schema.TaggedStruct<"DecodeError", { readonly message: Schema.String }>,
  Cause.YieldableError
> = Schema.TaggedError<DecodeError>()("DecodeError", { message: Schema.String });

/** A record that does not match its Schema. It is the error of a flow, to be handled with `Flow.onError`. */
export class DecodeError extends DecodeErrorBase {}

/** The class that {@link UserCodeError} extends: its fields and its constructor. */
export const UserCodeErrorBase: Schema.Class<
  UserCodeError,
  Schema.TaggedStruct<"UserCodeError", {
    readonly message: Schema.String;
    readonly job: Schema.String;
    readonly operator: Schema.String;
    readonly source: Schema.String;
    readonly split: Schema.String;
    readonly position: Schema.Unknown;
    readonly cause: Schema.Unknown;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<UserCodeError>()("UserCodeError", {
  message: Schema.String,
  job: Schema.String,
  operator: Schema.String,
  source: Schema.String,
  split: Schema.String,
  position: Schema.Unknown,
  cause: Schema.Unknown,
});

/** A function of the pipeline threw, or an error reached `Flow.onError("fail")`. Never retried. */
export class UserCodeError extends UserCodeErrorBase {}

/** The class that {@link InvalidJob} extends: its fields and its constructor. */
export const InvalidJobBase: Schema.Class<
  InvalidJob,
  Schema.TaggedStruct<
    "InvalidJob",
    { readonly message: Schema.String; readonly job: Schema.String; readonly rule: Schema.String }
  >,
  Cause.YieldableError
> = Schema.TaggedError<InvalidJob>()("InvalidJob", { message: Schema.String, job: Schema.String, rule: Schema.String });

/** A job's description breaks a rule that types cannot state, such as two operators of one name. */
export class InvalidJob extends InvalidJobBase {}
