/**
 * What `server.properties` says of a broker for tests.
 *
 * @module
 */
import { loopback } from "./ports.ts";

/** How clients come in: in the clear or by TLS, and signed in or not. */
export type Security = "plaintext" | "sasl" | "tls" | "sasl-tls";

/** Passwords by name. */
export type Users = Readonly<Record<string, string>>;

/** The ports of a broker. */
export interface Ports {
  /** Where clients come in. */
  readonly client: number;
  /** Where metadata sends them. */
  readonly advertised: number;
  /** Where the broker comes to itself, so that no proxy is in its own way. */
  readonly internal: number;
  readonly controller: number;
}

/** What settings depend on. */
export interface Shape {
  readonly data: string;
  readonly ports: Ports;
  readonly security: Security;
  readonly users: Users;
  readonly superUsers: ReadonlyArray<string>;
  /** The file of a key and its certificates, if clients come in by TLS. */
  readonly keyStore: { readonly path: string; readonly password: string } | null;
}

const protocols: Readonly<Record<Security, string>> = {
  "plaintext": "PLAINTEXT",
  "sasl": "SASL_PLAINTEXT",
  "tls": "SSL",
  "sasl-tls": "SASL_SSL",
};

/** Whether clients have to sign in. */
export const signsIn = (security: Security): boolean => security === "sasl" || security === "sasl-tls";

/** Whether clients come in by TLS. */
export const usesTls = (security: Security): boolean => security === "tls" || security === "sasl-tls";

const signingIn = ({ users, superUsers }: Shape): Readonly<Record<string, string>> => {
  const passwords = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  const modules = "org.apache.kafka.common.security";
  const scram = `${modules}.scram.ScramLoginModule required;`;
  return {
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "listener.name.client.plain.sasl.jaas.config": `${modules}.plain.PlainLoginModule required ${passwords.join(" ")};`,
    "listener.name.client.scram-sha-256.sasl.jaas.config": scram,
    "listener.name.client.scram-sha-512.sasl.jaas.config": scram,
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    // Nobody is anonymous but the broker itself, on the listeners that no client is told of.
    "super.users": ["ANONYMOUS", ...superUsers].map((name) => `User:${name}`).join(";"),
  };
};

/** The settings of a broker: one node, which keeps its own topics in few partitions so that it starts fast. */
export const settingsOf = (shape: Shape): Readonly<Record<string, string>> => {
  const { data, ports, security, keyStore } = shape;
  return {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.quorum.voters": `1@${loopback}:${ports.controller}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "listener.security.protocol.map": `CLIENT:${protocols[security]},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    "listeners":
      `CLIENT://${loopback}:${ports.client},INTERNAL://${loopback}:${ports.internal},CONTROLLER://${loopback}:${ports.controller}`,
    "advertised.listeners": `CLIENT://${loopback}:${ports.advertised},INTERNAL://${loopback}:${ports.internal}`,
    "log.dirs": data,
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    ...(signsIn(security) ? signingIn(shape) : {}),
    ...(keyStore === null ? {} : {
      "ssl.keystore.type": "PKCS12",
      "ssl.keystore.location": keyStore.path,
      "ssl.keystore.password": keyStore.password,
      "ssl.key.password": keyStore.password,
    }),
  };
};

/** Settings as the text of a file of properties. */
export const propertiesText = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n`)
    .join("");
