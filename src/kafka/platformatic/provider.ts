/**
 * The adapter for `npm:@platformatic/kafka`.
 *
 * @module
 */
import { Effect } from "effect";
import type { KafkaClientProvider } from "../client.ts";
import { providerOf } from "../wire/provider.ts";
import { refusalOf } from "./failures.ts";
import { Link } from "./link.ts";
import { requestsOver } from "./requests.ts";

/**
 * Speaks Kafka's protocol by `npm:@platformatic/kafka`, to brokers of Kafka 2.8 and later.
 *
 * Besides `--allow-net` for the brokers, the library needs to read a file of its own (`native.wasm`), and lists the environment
 * when it is loaded: `--ignore-env` shows it an empty one.
 */
export const platformatic: KafkaClientProvider = providerOf({
  name: "@platformatic/kafka",
  load: () => import("@platformatic/kafka"),
  connect: (library, settings) => (address) =>
    Effect.try({
      try: () => requestsOver(library, new Link(library, settings, address), settings),
      catch: (error) => refusalOf(library, error, { address, requestMillisMax: settings.requestMillisMax }),
    }),
});
