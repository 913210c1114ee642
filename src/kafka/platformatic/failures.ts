/**
 * What @platformatic/kafka says went wrong.
 *
 * @module
 */
import { errorLine } from "../../windows/error-words.ts";
import { clientCodes } from "../errors.ts";
import { notLetIn, Refusal, refused, silent, unreachable } from "../wire/refusal.ts";
import type { Library } from "./library.ts";

/** The number of an error that says nothing more. */
const unknownServerError = -1;

/** Who wants to know what an error of the library means. */
interface Asked {
  readonly address: string;
  readonly requestMillisMax: number;
}

/** What an error of the library means. */
export const refusalOf = (library: Library, error: unknown, { address, requestMillisMax }: Asked): Refusal => {
  const causes = chainOf(error);
  const refusal = causes.find((one) => one instanceof Refusal);
  if (refusal !== undefined) return refusal;
  const protocol = causes.flatMap((one) =>
    one instanceof library.ProtocolError ? [one as unknown as ProtocolCause] : []
  );
  // A record that is refused has no number of its own; its partition has.
  const named = protocol.find(({ apiCode }) => apiCode !== unknownServerError) ?? protocol.at(0);
  if (named !== undefined) return refused(named.apiCode, named.serverErrorMessage);
  const last = causes.at(-1);
  const words = codeOf(last) ?? errorLine(last);
  const isOfNetwork = (one: unknown): boolean =>
    one instanceof library.NetworkError || one instanceof library.TimeoutError;
  const signingIn = causes.findIndex((one) => one instanceof library.AuthenticationError);
  // A connection that breaks while it signs in has not been refused.
  if (signingIn !== -1 && !causes.slice(signingIn).some(isOfNetwork)) {
    return notLetIn("SASL_AUTHENTICATION_FAILED", words);
  }
  if (error instanceof library.TimeoutError && /^Request/.test(error.message)) return silent(address, requestMillisMax);
  if (causes.some(isOfNetwork)) {
    // Node gives a code for what is wrong with a certificate, too, but not always.
    const certificate = causes.map(errorLine).find((line) => /certificate/i.test(line));
    return unreachable(address, certificate ?? words);
  }
  return new Refusal(clientCodes.client, "@platformatic/kafka must succeed", errorLine(error));
};

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
