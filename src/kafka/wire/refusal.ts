/**
 * What goes wrong on the way to a broker and back, before it is said what it was for.
 *
 * @module
 */
import type { ClientSettings } from "../client.ts";
import { clientCodes, KafkaError } from "../errors.ts";
import { protocolError } from "../protocol-errors.ts";

/** The errors of Kafka's protocol that are acted on, or said here, by their numbers. */
export const codes = {
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  unsupportedVersion: 35,
  unsupportedForMessageFormat: 43,
  duplicateSequenceNumber: 46,
} as const;

/** Something was refused, by a broker or here. It becomes a `KafkaError` where it is known what was being done. */
export class Refusal extends Error {
  /** Its rule and value read as in "Cannot read from Kafka as ⟨rule⟩: current value is ⟨current⟩". */
  constructor(
    readonly code: string,
    readonly rule: string,
    readonly current: string,
    readonly retryable: boolean = false,
  ) {
    super(`${rule}: current value is ${current}`);
  }
}

/** The bytes of an answer make no sense. */
export const malformed = (current: string): Refusal =>
  new Refusal(clientCodes.malformed, "an answer must be as Kafka's protocol says", current);

/** What answers speaks another protocol. */
export const notABroker = (current: string): Refusal =>
  new Refusal(clientCodes.malformed, "a broker must be there, and TLS be set where it is used", current);

/** The broker speaks TLS, and we do not. */
export const notEncrypted = (address: string): Refusal =>
  new Refusal(clientCodes.noConnection, "the connection must be encrypted (tls)", `one that is not (${address})`);

/** An answer is larger than was allowed. */
export const tooLarge = (what: string, bytesMax: number, current: string): Refusal =>
  new Refusal(clientCodes.tooLarge, `${what} must have at most ${bytesMax} bytes`, current);

/** Why a broker is not reached, where trying again does not help: certificates and permissions, as Node and Deno word them. */
const lasting = /certificate|_CERT_|SELF_SIGNED|UNABLE_TO_VERIFY|Requires \w+ access|EPERM/i;

/** A broker cannot be reached, or is gone. */
export const unreachable = (address: string, why: string): Refusal =>
  new Refusal(clientCodes.noConnection, "a broker must be reachable", `${why} (${address})`, !lasting.test(why));

/** A broker does not answer. */
export const silent = (address: string, millisMax: number): Refusal =>
  new Refusal(clientCodes.timedOut, `a broker must answer within ${millisMax} ms`, `no answer (${address})`, true);

/** A broker has answered with an error; `about` says of what. */
export const refused = (code: number, about: string | null = null): Refusal => {
  const { name, retryable } = protocolError(code);
  return new Refusal(name, "the broker must accept it", about === null ? name : `${name} (${about})`, retryable);
};

/** A broker is too old. */
export const tooOld = (request: string, version: number, range: readonly [min: number, max: number] | null): Refusal =>
  new Refusal(
    protocolError(codes.unsupportedVersion).name,
    `the broker must know version ${version} of ${request}`,
    range === null ? "none" : `versions ${range[0]} to ${range[1]}`,
  );

/** A broker has not let us in. */
export const notLetIn = (code: string, words: string): Refusal =>
  new Refusal(code, "the broker must know who we are", words);

/**
 * What a refusal means for who wanted something. No secret gets into a message, whatever a library or a broker has put into
 * its own. `action` reads as in "Cannot ⟨action⟩ at 127.0.0.1:9092 as …".
 */
export const kafkaError =
  (action: string, { brokers, sasl, tls }: ClientSettings) =>
  ({ code, rule, current, retryable }: Refusal): KafkaError => {
    const secrets = [sasl?.password, tls?.key].filter((secret) => typeof secret === "string" && secret !== "");
    const words = secrets.reduce((words: string, secret) => words.replaceAll(secret!, "***"), current);
    return new KafkaError({
      message: `Cannot ${action} at ${brokers.join(", ")} as ${rule}: current value is ${words}`,
      code,
      retryable,
    });
  };
