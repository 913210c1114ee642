/**
 * What the library says went wrong, as a {@link KafkaError}.
 *
 * @module
 */
import { errorLine } from "../../windows/error-words.ts";
import { clientCodes, KafkaError } from "../errors.ts";
import { Refusal } from "../kafkajs/refusal.ts";
import { protocolError } from "../protocol-errors.ts";
import { codes } from "./codes.ts";
import type { Library } from "./library.ts";

/** Turns what was thrown into an error of ours, for one client. */
export interface Failures {
  /**
   * What came of a request. `action` reads as in "Cannot ⟨action⟩ at 127.0.0.1:9092 as …", and `at` is the broker or brokers.
   */
  readonly of: (action: string, at: string, cause: unknown) => KafkaError;
  /** An error of Kafka's protocol, by its number. */
  readonly ofCode: (action: string, at: string, code: number, words?: string) => KafkaError;
}

/** Makes the errors of a client. None of them holds any of its secrets, or what the library has thrown. */
export const failuresOf = (
  library: Library,
  secrets: ReadonlyArray<string>,
  requestMillisMax: number,
): Failures => {
  const scrubbed = (text: string): string => secrets.reduce((words, secret) => words.replaceAll(secret, "…"), text);
  const error = (action: string, at: string, code: string, retryable: boolean, rule: string, current: string) =>
    new KafkaError({
      message: `Cannot ${action} at ${at} as ${rule}: current value is ${scrubbed(current)}`,
      code,
      retryable,
    });
  const ofCode: Failures["ofCode"] = (action, at, code, words) => {
    const { name, retryable } = protocolError(code);
    return error(action, at, name, retryable, "the broker must accept it", words ? `${name} (${words})` : name);
  };
  return {
    ofCode,
    of: (action, at, cause) => {
      const causes = chainOf(cause);
      const refusal = causes.find((one) => one instanceof Refusal);
      if (refusal !== undefined) {
        return error(action, at, refusal.code, refusal.retryable, refusal.rule, refusal.current);
      }
      const protocol = causes.flatMap((one) =>
        one instanceof library.ProtocolError ? [one as unknown as ProtocolCause] : []
      );
      // A record that is refused has no number of its own; its partition has.
      const named = protocol.find(({ apiCode }) => apiCode !== codes.unknownServerError) ?? protocol.at(0);
      if (named !== undefined) return ofCode(action, at, named.apiCode, named.serverErrorMessage ?? undefined);
      const last = causes.at(-1);
      const words = codeOf(last) ?? errorLine(last);
      const isOfNetwork = (one: unknown): boolean =>
        one instanceof library.NetworkError || one instanceof library.TimeoutError;
      const signingIn = causes.findIndex((one) => one instanceof library.AuthenticationError);
      // A connection that breaks while it signs in has not been refused.
      if (signingIn !== -1 && !causes.slice(signingIn).some(isOfNetwork)) {
        return error(
          action,
          at,
          protocolError(codes.saslAuthenticationFailed).name,
          false,
          "the broker must let us in",
          words,
        );
      }
      if (causes.some((one) => certificatePattern.test(errorLine(one)))) {
        return error(action, at, clientCodes.noConnection, false, "the certificates must be accepted", errorLine(last));
      }
      if (cause instanceof library.TimeoutError && /^Request/.test(cause.message)) {
        const rule = `the broker must answer within ${requestMillisMax} ms`;
        return error(action, at, clientCodes.timedOut, true, rule, "no answer");
      }
      if (causes.some(isOfNetwork)) {
        const mayPass = !(last instanceof Deno.errors.NotCapable) && words !== "EPERM";
        return error(action, at, clientCodes.noConnection, mayPass, "a broker must be reachable", words);
      }
      return error(action, at, clientCodes.client, false, "the client must be able to", errorLine(cause));
    },
  };
};

/** Words about certificates, by OpenSSL and by Rustls. */
const certificatePattern = /certificate|self.signed|TLS handshake/i;

/** What matters of the library's ProtocolError, whose type does not tell it. */
interface ProtocolCause {
  readonly apiCode: number;
  readonly serverErrorMessage: string | null;
}

/** An error and what it came of, from the outside to the inside. */
const chainOf = (cause: unknown): ReadonlyArray<unknown> => {
  const chain: Array<unknown> = [cause];
  // Each is looked at once, so errors that hold each other do not keep us here.
  for (let k = 0; k < chain.length; k++) {
    const one = chain[k];
    if (!(one instanceof Error)) continue;
    const inner = one instanceof AggregateError ? [...one.errors, one.cause] : [one.cause];
    for (const next of inner) if (next !== undefined && !chain.includes(next)) chain.push(next);
  }
  return chain;
};

/** The code that the operating system gives, such as ECONNREFUSED. */
const codeOf = (error: unknown): string | null => {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" && /^E[A-Z]+$/.test(code) ? code : null;
};
