/**
 * The default adapter of the client port: KafkaJS for connections, signing in and requests, and records read and written here.
 *
 * It needs Kafka 2.5 or newer.
 *
 * @module
 */
import { Effect } from "effect";
import type { KafkaClientProvider } from "../client.ts";
import { clientCodes, KafkaError } from "../errors.ts";
import { errorLine } from "../../windows/error-words.ts";
import { Brokers } from "./brokers.ts";
import { makeClient } from "./client.ts";
import { loadLibrary } from "./library.ts";

/** KafkaJS. */
export const kafkajs: KafkaClientProvider = {
  name: "KafkaJS",
  open: (settings) =>
    Effect.gen(function* () {
      const library = yield* Effect.tryPromise({
        try: loadLibrary,
        catch: (error) =>
          new KafkaError({
            message: `Cannot open a client of Kafka as KafkaJS must be there: current value is ${errorLine(error)}`,
            code: clientCodes.client,
            retryable: false,
          }),
      });
      return makeClient(library, settings, yield* Brokers.make(library, settings));
    }),
};
