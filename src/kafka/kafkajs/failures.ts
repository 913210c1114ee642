/**
 * What KafkaJS says went wrong.
 *
 * @module
 */
import { errorLine } from "../../windows/error-words.ts";
import { clientCodes } from "../errors.ts";
import { codes, malformed, notLetIn, Refusal, refused, silent, unreachable } from "../wire/refusal.ts";

/** The number that KafkaJS says in words of an error that it does not know. */
const unknownCode = /^Unknown error code (-?\d+)$/;

/** Who wants to know what an error of the library means. */
interface Asked {
  readonly address: string;
  readonly requestMillisMax: number;
  /** Whether the connection has ended. */
  readonly hasEnded: boolean;
}

/** What an error of the library means. */
export const refusalOf = (error: unknown, { address, requestMillisMax, hasEnded }: Asked): Refusal => {
  if (error instanceof Refusal) return error;
  const { name, code } = error as { readonly name?: string; readonly code?: unknown };
  const words = errorLine(error);
  switch (name) {
    case "KafkaJSConnectionError":
    case "KafkaJSConnectionClosedError":
      return unreachable(address, typeof code === "string" ? code : words);
    case "KafkaJSRequestTimeoutError":
      return silent(address, requestMillisMax);
    case "KafkaJSSASLAuthenticationError":
      // It keeps of its cause only the words.
      if (/timed out/.test(words)) return silent(address, requestMillisMax);
      if (hasEnded) return unreachable(address, "closed while signing in");
      return notLetIn(
        /mechanism is not supported/.test(words) ? "UNSUPPORTED_SASL_MECHANISM" : "SASL_AUTHENTICATION_FAILED",
        words,
      );
    case "KafkaJSProtocolError":
      return refused(Number(unknownCode.exec(words)?.[1] ?? code));
    case "KafkaJSServerDoesNotSupportApiKey":
      return refused(codes.unsupportedVersion);
  }
  // The library reads answers without looking whether there are as many bytes as they say.
  if (error instanceof RangeError || error instanceof TypeError) return malformed(words);
  return new Refusal(clientCodes.client, "KafkaJS must succeed", words);
};
