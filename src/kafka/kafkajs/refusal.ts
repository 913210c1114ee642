/**
 * What goes wrong on the way to a broker and back, before it is said what it was for.
 *
 * @module
 */
import { errorLine } from "../../windows/error-words.ts";
import { clientCodes, KafkaError } from "../errors.ts";
import { protocolError } from "../protocol-errors.ts";

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

/** What answers speaks something else: another protocol, or TLS where that is not set. */
export const notABroker = (current: string): Refusal =>
  new Refusal(clientCodes.malformed, "a broker must be there, and TLS be set where it is used", current);

/** An answer is larger than was allowed. */
export const tooLarge = (what: string, bytesMax: number, current: string): Refusal =>
  new Refusal(clientCodes.tooLarge, `${what} must have at most ${bytesMax} bytes`, current);

/** A broker cannot be reached, or is gone. */
export const unreachable = (address: string, why: string, retryable = true): Refusal =>
  new Refusal(clientCodes.noConnection, "a broker must be reachable", `${why} (${address})`, retryable);

/** A broker does not answer. */
export const silent = (address: string, millisMax: number): Refusal =>
  new Refusal(clientCodes.timedOut, `a broker must answer within ${millisMax} ms`, `no answer (${address})`, true);

/** A broker has answered with an error. */
export const refused = (code: number): Refusal => {
  const { name, retryable } = protocolError(code);
  return new Refusal(name, "the broker must accept it", name, retryable);
};

/** What a refusal means for who wanted something. */
export const kafkaError = (action: string, brokers: ReadonlyArray<string>) => (refusal: Refusal): KafkaError =>
  new KafkaError({
    message: `Cannot ${action} at ${brokers.join(", ")} as ${refusal.message}`,
    code: refusal.code,
    retryable: refusal.retryable,
  });

/** The number that KafkaJS says in words of an error that it does not know. */
const unknownCode = /^Unknown error code (-?\d+)$/;

/** Why a broker is not reached, where trying again does not help: certificates and permissions, as Node and Deno word them. */
const lasting = /certificate|_CERT_|SELF_SIGNED|UNABLE_TO_VERIFY|Requires \w+ access/i;

/** Who wants to know what an error of the library means. */
interface Asked {
  readonly address: string;
  readonly requestMillisMax: number;
  /** What no text may contain. */
  readonly secret: string | null;
  /** Whether the connection has ended. */
  readonly hasEnded: boolean;
}

/** What an error of the library means. */
export const refusalOf = (error: unknown, { address, requestMillisMax, secret, hasEnded }: Asked): Refusal => {
  if (error instanceof Refusal) return error;
  const { name, code } = error as { readonly name?: string; readonly code?: unknown };
  const line = errorLine(error);
  const words = secret ? line.replaceAll(secret, "***") : line;
  switch (name) {
    case "KafkaJSConnectionError":
    case "KafkaJSConnectionClosedError":
      return unreachable(address, typeof code === "string" ? code : words, !lasting.test(`${code} ${words}`));
    case "KafkaJSRequestTimeoutError":
      return silent(address, requestMillisMax);
    case "KafkaJSSASLAuthenticationError":
      // It keeps of its cause only the words.
      if (/timed out/.test(words)) return silent(address, requestMillisMax);
      if (hasEnded) return unreachable(address, "closed while signing in");
      return new Refusal(
        /mechanism is not supported/.test(words) ? "UNSUPPORTED_SASL_MECHANISM" : "SASL_AUTHENTICATION_FAILED",
        "the broker must know who we are",
        words,
      );
    case "KafkaJSProtocolError":
      return refused(Number(unknownCode.exec(line)?.[1] ?? code));
    case "KafkaJSServerDoesNotSupportApiKey":
      return refused(35);
  }
  // The library reads answers without looking whether there are as many bytes as they say.
  if (error instanceof RangeError || error instanceof TypeError) return malformed(words);
  return new Refusal(clientCodes.client, "KafkaJS must succeed", words);
};
