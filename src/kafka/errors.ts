/**
 * What can go wrong between this process and a Kafka cluster.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import type { Cause } from "effect";

/** The class that {@link KafkaError} extends: its fields and its constructor. */
export const KafkaErrorBase: Schema.Class<
  KafkaError,
  Schema.TaggedStruct<"KafkaError", {
    readonly message: Schema.String;
    readonly code: Schema.String;
    readonly retryable: Schema.Boolean;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<KafkaError>()("KafkaError", {
  message: Schema.String,
  code: Schema.String,
  retryable: Schema.Boolean,
});

/**
 * A request to a Kafka cluster failed. Its message says what was being done and names the brokers; it never holds a secret.
 *
 * `code` is the name that Kafka's protocol gives the error, such as `TOPIC_AUTHORIZATION_FAILED` or `OFFSET_OUT_OF_RANGE`,
 * or one of {@link clientCodes}. `retryable` says whether the same request may succeed later.
 */
export class KafkaError extends KafkaErrorBase {}

/** The codes of errors that no broker has named. */
export const clientCodes = {
  /** No broker could be reached, or the connection broke. The outcome of the request is unknown. */
  noConnection: "NO_CONNECTION",
  /** The broker did not answer in time. The outcome of the request is unknown. */
  timedOut: "TIMED_OUT",
  /** An answer has more bytes than `responseBytesMax`, or a batch of records would have more than `batchBytesMax`. */
  tooLarge: "RESPONSE_TOO_LARGE",
  /** The bytes of an answer make no sense. */
  malformed: "MALFORMED_RESPONSE",
  /** Anything else that the client library says. */
  client: "CLIENT_ERROR",
} as const;
