/**
 * A broker of Apache Kafka to try things with, until it is told to stop. Java 17 and Maven have to be there.
 *
 * ```sh
 * deno task kafka                              # on port 9092, or the next one that is free
 * deno task kafka --topics=clicks:8,counts     # with these topics, of 8 partitions and of 1
 * deno task kafka --port=19092 --data=.weir/kafka
 * ```
 *
 * - `--port=9092`: where it listens, on loopback
 * - `--topics=NAME:PARTITIONS,...`: topics that are made unless they are there
 * - `--data=FOLDER`: keeps its data there, and goes on with what is there; else its data is gone when it stops
 *
 * @module
 */
import { parseArgs } from "node:util";
import { clientOf, untilLed } from "./admin.ts";
import { type Broker, BrokerUnavailable, startBroker } from "./broker.ts";
import { isFree } from "./ports.ts";

const defaultPort = 9_092;

const fail = (message: string): never => {
  console.error(message);
  Deno.exit(1);
};

/** The options, or the end of the program if it has no such option. */
const optionsGiven = () => {
  try {
    return parseArgs({
      options: { port: { type: "string" }, topics: { type: "string", default: "" }, data: { type: "string" } },
    }).values;
  } catch (error) {
    return fail(`${(error as Error).message}. Its options are --port=9092, --topics=clicks:8,counts and --data=FOLDER`);
  }
};

const options = optionsGiven();

const portWanted = (): number => {
  if (options.port === undefined) {
    let port = defaultPort;
    while (!isFree(port)) port++;
    return port;
  }
  const port = Number(options.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    return fail(`Cannot listen as --port takes a number from 1 to 65535: current value is "${options.port}"`);
  }
  return isFree(port) ? port : fail(`Cannot listen as the port has to be free: current value is ${port}`);
};

const topicsWanted = options.topics.split(",").filter((text) => text !== "").map((text) => {
  const [, topic, partitions = "1"] = /^([\w.-]+)(?::([1-9]\d*))?$/.exec(text) ??
    fail(`Cannot make topics as --topics takes NAME or NAME:PARTITIONS: current value is "${text}"`);
  return { topic, numPartitions: Number(partitions), replicationFactor: 1 };
});

/** Makes the topics that are not there yet. */
const createTopics = async ({ brokers }: Broker): Promise<void> => {
  if (topicsWanted.length === 0) return;
  const admin = clientOf({ brokers }).admin();
  await admin.connect();
  const there = new Set(await admin.listTopics());
  const topics = topicsWanted.filter(({ topic }) => !there.has(topic));
  if (topics.length > 0) {
    await admin.createTopics({ topics, waitForLeaders: false });
    await untilLed(admin, topics.map(({ topic }) => topic));
  }
  await admin.disconnect();
};

const told = Promise.withResolvers<void>();
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, told.resolve);

const start = async (): Promise<Broker> => {
  const port = portWanted();
  console.log("Starting Kafka. The first time it is fetched, which may take minutes");
  try {
    return await startBroker({ port, ...(options.data === undefined ? {} : { directory: options.data }) });
  } catch (error) {
    if (error instanceof BrokerUnavailable) return fail(`No broker can be started here. ${error.message}`);
    throw error;
  }
};

const began = performance.now();
{
  await using broker = await start();
  await createTopics(broker);
  console.log(`Kafka listens on ${broker.brokers[0]}, after ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  for (const { topic, numPartitions } of topicsWanted) console.log(`  topic ${topic}, ${numPartitions} partition(s)`);
  console.log(`  data  ${broker.directory}${options.data === undefined ? ", until it stops" : ""}`);
  console.log(`  stop  Ctrl-C, or kill ${Deno.pid}`);
  await told.promise;
}
console.log("Stopped");
