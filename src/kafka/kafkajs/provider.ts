/**
 * The default adapter of the client port: KafkaJS for connections, signing in and requests, and records read and written here.
 *
 * @module
 */
import { Effect } from "effect";
import type { KafkaClientProvider } from "../client.ts";
import { providerOf } from "../wire/provider.ts";
import { loadLibrary } from "./library.ts";
import { Link } from "./link.ts";
import { requestsOver } from "./requests.ts";

/**
 * Speaks Kafka's protocol by `npm:kafkajs`, to brokers of Kafka 2.5 and later.
 *
 * Besides `--allow-net` for the brokers, the library reads two variables of the environment, which nobody has to set:
 * `--ignore-env` shows it an empty one.
 */
export const kafkajs: KafkaClientProvider = providerOf({
  name: "KafkaJS",
  load: loadLibrary,
  connect: (library, settings) => (address) =>
    Effect.map(Link.make(library, settings, address), (link) => requestsOver(link, settings)),
});
