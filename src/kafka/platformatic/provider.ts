/**
 * The adapter for `npm:@platformatic/kafka`.
 *
 * @module
 */
import { Effect } from "effect";
import { errorLine } from "../../windows/error-words.ts";
import type { KafkaClient, KafkaClientProvider } from "../client.ts";
import { clientCodes, KafkaError } from "../errors.ts";
import { openConnections } from "./connections.ts";
import { openFetcher } from "./fetcher.ts";
import { partitionOf } from "../kafkajs/murmur2.ts";
import { commitOffsets, committedOf, offsetsOf } from "./offsets.ts";
import { openIdempotentProducer, openTransactionalProducer } from "./producers.ts";
import { batchBytesMaxOf, createTopic, leadersOf } from "./topics.ts";

/**
 * Speaks Kafka's protocol by `npm:@platformatic/kafka`, to brokers of Kafka 2.8 and later.
 *
 * Besides `--allow-net` for the brokers, the library needs to read a file of its own (`native.wasm`), and lists the environment
 * when it is loaded: `--ignore-env` shows it an empty one.
 */
export const platformatic: KafkaClientProvider = {
  name: "@platformatic/kafka",
  open: (settings) =>
    Effect.gen(function* () {
      const library = yield* Effect.tryPromise({ try: () => import("@platformatic/kafka"), catch: notLoaded });
      const connections = yield* openConnections(library, settings);
      return {
        topics: (names) =>
          Effect.map(
            leadersOf(connections, "look up topics of Kafka", names),
            (found) => new Map([...found].map(([name, leaders]) => [name, { partitions: leaders.size }])),
          ),
        batchBytesMax: (topic) => batchBytesMaxOf(connections, topic),
        createTopic: (name, partitions) => createTopic(connections, name, partitions),
        offsets: (topic, partitions, spec, isolation) => offsetsOf(connections, topic, partitions, spec, isolation),
        committed: (group, topic, partitions) => committedOf(connections, group, topic, partitions),
        commit: (group, offsets) => commitOffsets(connections, group, offsets),
        partitionOf,
        fetcher: openFetcher(library, settings),
        transactionalProducer: (options) => openTransactionalProducer(library, settings, options),
        idempotentProducer: (options) => openIdempotentProducer(library, settings, options),
      } satisfies KafkaClient;
    }),
};

const notLoaded = (cause: unknown): KafkaError =>
  new KafkaError({
    message: `Cannot open a client of Kafka as @platformatic/kafka must be loaded: ${errorLine(cause)}`,
    code: clientCodes.client,
    retryable: false,
  });
