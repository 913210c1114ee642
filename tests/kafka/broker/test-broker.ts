/**
 * The broker that a test runs against: one that is there already, or one that is started for it.
 *
 * @module
 */
import { type Broker, type BrokerOptions, BrokerUnavailable, startBroker } from "./broker.ts";
import { fetchKafka } from "./kafka.ts";

/** A broker that somebody else runs. */
export interface ExternalBroker extends AsyncDisposable {
  /** That it can be neither stopped nor killed nor started. */
  readonly controllable: false;
  /** What to give to a client, as "host:port". */
  readonly brokers: ReadonlyArray<string>;
}

/** A broker for a test. Whether it can be stopped says `controllable`. */
export type TestBroker = Broker | ExternalBroker;

/** The brokers that the variable `KAFKA_BROKERS` names, with commas between them; null if it is not set or empty. */
export const externalBrokers = (): ReadonlyArray<string> | null => {
  const brokers = (Deno.env.get("KAFKA_BROKERS") ?? "").split(",").map((broker) => broker.trim());
  const named = brokers.filter((broker) => broker !== "");
  return named.length === 0 ? null : named;
};

/**
 * The brokers that the variable `KAFKA_BROKERS` names, or else one that is started here. Topics on the former may be
 * left from other runs, and its settings are not known: a test that needs settings, users or TLS starts its own.
 *
 * @throws {BrokerUnavailable} If none can be started
 */
export const testBroker = async (
  options: Pick<BrokerOptions, "profile" | "heapMegabytes"> = {},
): Promise<TestBroker> => {
  const brokers = externalBrokers();
  if (brokers === null) return await startBroker(options);
  return { controllable: false, brokers, [Symbol.asyncDispose]: () => Promise.resolve() };
};

/**
 * Why no broker can be started here, or null if one can. Kafka is fetched if it has to be. It says on the console that
 * tests are left out.
 *
 * @example
 * ```ts
 * const missing = await missingBroker("the tests of the Kafka source");
 * Deno.test("offsets are kept", { ignore: missing !== null }, async () => {});
 * ```
 */
export const missingBroker = async (what: string): Promise<string | null> => {
  try {
    await fetchKafka();
    return null;
  } catch (error) {
    if (!(error instanceof BrokerUnavailable)) throw error;
    console.error(`Left out: ${what}. ${error.message}`);
    return error.message;
  }
};
