/**
 * A provider of clients on a library, which is loaded when the first of them is opened.
 *
 * @module
 */
import { Effect } from "effect";
import { errorLine } from "../../windows/error-words.ts";
import type { ClientSettings, KafkaClientProvider } from "../client.ts";
import { clientCodes, KafkaError } from "../errors.ts";
import type { Connect } from "./brokers.ts";
import { openClient } from "./client.ts";

/** What an adapter consists of: a library, and how connections are made by it. */
export interface Adapter<Library> {
  /** The name of the library, for messages. */
  readonly name: string;
  readonly load: () => Promise<Library>;
  readonly connect: (library: Library, settings: ClientSettings) => Connect;
}

/** The provider that an adapter makes. */
export const providerOf = <Library>({ name, load, connect }: Adapter<Library>): KafkaClientProvider => ({
  name,
  open: (settings) =>
    Effect.flatMap(
      Effect.tryPromise({
        try: load,
        catch: (error) =>
          new KafkaError({
            message: `Cannot open a client of Kafka as ${name} must be there: current value is ${errorLine(error)}`,
            code: clientCodes.client,
            retryable: false,
          }),
      }),
      (library) => openClient(connect(library, settings), settings),
    ),
});
