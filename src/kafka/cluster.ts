/**
 * A Kafka cluster: where it is, who we are, and what we believe of it.
 *
 * @module
 */
import { type Duration, Effect, Redacted, type Scope } from "effect";
import { inWords } from "../windows/in-words.ts";
import { atLeastOne, millisOf } from "../windows/millis-of.ts";
import type { ClientSettings, KafkaClient, KafkaClientProvider } from "./client.ts";
import type { KafkaError } from "./errors.ts";
import { kafkajs } from "./kafkajs/provider.ts";

/** Who we say we are. */
export interface Sasl {
  /** How the secret is used. `"plain"` shows it to the broker: use it over TLS only. */
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  /** Who. */
  readonly username: string;
  /** The secret; in no log and no error. */
  readonly password: Redacted.Redacted<string>;
}

/** How connections are encrypted. The broker's certificate is always verified. */
export interface Tls {
  /**
   * Which authorities are believed, in PEM.
   *
   * @default {undefined} Those that Deno believes.
   */
  readonly ca?: string;
  /**
   * The certificate by which the broker knows us, in PEM, and its key.
   *
   * @default {undefined} None.
   */
  readonly client?: { readonly certificate: string; readonly key: Redacted.Redacted<string> };
  /**
   * The name that the broker's certificate must have.
   *
   * @default {undefined} The name by which it is addressed.
   */
  readonly serverName?: string;
}

/** What {@link cluster} is told. */
export interface ClusterOptions {
  /** Where to ask first, as `host:port`: some of the brokers. */
  readonly brokers: ReadonlyArray<string>;
  /**
   * What this program is called in the brokers' logs and quotas.
   *
   * @default {"weir"}
   */
  readonly clientId?: string;
  /**
   * Who we say we are.
   *
   * @default {undefined} Nobody.
   */
  readonly sasl?: Sasl;
  /**
   * Whether connections are encrypted, and how.
   *
   * @default {false}
   */
  readonly tls?: boolean | Tls;
  /**
   * How long opening a connection may take, authentication included.
   *
   * @default {"10 seconds"}
   */
  readonly connectTimeout?: Duration.Input;
  /**
   * How long an answer may take.
   *
   * @default {"30 seconds"}
   */
  readonly requestTimeout?: Duration.Input;
  /**
   * How long a source or sink that is at work tries again, with pauses of up to two seconds, when the cluster does not do what it
   * is asked. Then it fails, and the job starts anew as its `restart` says.
   *
   * @default {"1 minute"}
   */
  readonly outageTimeout?: Duration.Input;
  /**
   * How many bytes an answer may have: a broker that claims more is not believed.
   *
   * @default {104_857_600}
   */
  readonly responseBytesMax?: number;
  /**
   * How many bytes a batch of records may have once it is decompressed, and how many its records and headers, of which each
   * counts with 64 besides its own. Of one partition no more is decompressed at a time than this and a batch.
   *
   * @default {67_108_864}
   */
  readonly batchBytesMax?: number;
  /**
   * Which library speaks Kafka's protocol: `Kafka.kafkajs`, `Kafka.platformatic`, or a broker in memory
   * (`Kafka.memoryBroker`).
   *
   * @default {Kafka.kafkajs}
   */
  readonly client?: KafkaClientProvider;
}

/** Bounds that hold unless a cluster says otherwise. */
export const clusterDefaults = {
  clientId: "weir",
  connectMillis: 10_000,
  requestMillis: 30_000,
  outageMillis: 60_000,
  responseBytesMax: 100 * 1_024 * 1_024,
  batchBytesMax: 64 * 1_024 * 1_024,
} as const;

/** A Kafka cluster. Nothing is connected until a job with a source or sink of it runs. */
export interface Cluster {
  /** Its brokers, for messages. */
  readonly shown: string;
  /** How long a source or sink at work tries again, in milliseconds. */
  readonly outageMillisMax: number;
  /** Opens a client. */
  readonly open: Effect.Effect<KafkaClient, KafkaError, Scope.Scope>;
}

/**
 * Describes a Kafka cluster, for sources and sinks.
 *
 * It needs `--allow-net` for every broker of the cluster. Brokers that cannot be reached, and what they refuse, are errors of
 * the job that runs, with their addresses.
 *
 * @throws {RangeError} If an option is out of its range.
 *
 * @example
 * ```ts
 * import { Redacted } from "effect";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const local = Kafka.cluster({ brokers: ["127.0.0.1:9092"] });
 * const hosted = Kafka.cluster({
 *   brokers: ["kafka-1.example.com:9093", "kafka-2.example.com:9093"],
 *   tls: true,
 *   sasl: { mechanism: "scram-sha-512", username: "weir", password: Redacted.make("from the environment") },
 * });
 * ```
 */
export function cluster(options: ClusterOptions): Cluster {
  const { brokers, sasl, client = kafkajs, clientId = clusterDefaults.clientId } = options;
  const tls = options.tls === true ? {} : options.tls === false ? undefined : options.tls;
  const action = "describe a Kafka cluster";
  const refuse = (rule: string, current: string): never => {
    throw new RangeError(`Cannot ${action} as ${rule}: current value is ${current}`);
  };
  if (brokers.length === 0 || !brokers.every(isAddress)) {
    refuse("brokers must be addresses such as 127.0.0.1:9092", inWords(brokers));
  }
  if (sasl !== undefined) {
    if (!["plain", "scram-sha-256", "scram-sha-512"].includes(sasl.mechanism)) {
      refuse('sasl.mechanism must be "plain", "scram-sha-256" or "scram-sha-512"', inWords(sasl.mechanism));
    }
    if (!Redacted.isRedacted(sasl.password)) refuse("sasl.password must be Redacted", typeof sasl.password);
  }
  if (tls?.client !== undefined && !Redacted.isRedacted(tls.client.key)) {
    refuse("tls.client.key must be Redacted", typeof tls.client.key);
  }
  const bytes = (name: "responseBytesMax" | "batchBytesMax"): number => {
    const value = options[name] ?? clusterDefaults[name];
    if (!Number.isSafeInteger(value) || value < 1) refuse(`${name} must be a whole number above 0`, inWords(value));
    return value;
  };
  const millis = (name: "connectTimeout" | "requestTimeout" | "outageTimeout", fallback: number): number =>
    millisOf(action, name, options[name] ?? fallback, atLeastOne);
  const settings = (): ClientSettings => ({
    brokers,
    clientId,
    sasl: sasl === undefined ? null : { ...sasl, password: Redacted.value(sasl.password) },
    tls: tls === undefined ? null : {
      ca: tls.ca ?? null,
      cert: tls.client?.certificate ?? null,
      key: tls.client === undefined ? null : Redacted.value(tls.client.key),
      serverName: tls.serverName ?? null,
    },
    connectMillisMax,
    requestMillisMax,
    responseBytesMax,
    batchBytesMax,
  });
  const connectMillisMax = millis("connectTimeout", clusterDefaults.connectMillis);
  const requestMillisMax = millis("requestTimeout", clusterDefaults.requestMillis);
  const responseBytesMax = bytes("responseBytesMax");
  const batchBytesMax = bytes("batchBytesMax");
  return {
    shown: brokers.join(", "),
    outageMillisMax: millis("outageTimeout", clusterDefaults.outageMillis),
    open: Effect.suspend(() => client.open(settings())),
  };
}

const isAddress = (address: unknown): boolean => typeof address === "string" && /^[^\s/@]+:\d{1,5}$/.test(address);
