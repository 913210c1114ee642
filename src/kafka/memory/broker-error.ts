/**
 * What a broker in memory refuses, with the codes of Kafka's protocol.
 *
 * @module
 */
import { clientCodes, KafkaError } from "../errors.ts";
import { protocolError } from "../protocol-errors.ts";

/** Whether a request may succeed later, by the name of the error. */
const retryableByName = new Map<string, boolean>([
  [clientCodes.noConnection, true],
  [clientCodes.timedOut, true],
  [clientCodes.tooLarge, false],
  [clientCodes.malformed, false],
  [clientCodes.client, false],
  ["UNKNOWN_SERVER_ERROR", false],
]);
for (let code = 1; !protocolError(code).name.startsWith("ERROR_"); code++) {
  retryableByName.set(protocolError(code).name, protocolError(code).retryable);
}

/**
 * An error of a broker or client. Its message begins with "Cannot".
 *
 * @throws {RangeError} If Kafka has no error of that name.
 */
export const brokerError = (code: string, what: string): KafkaError => {
  const retryable = retryableByName.get(code);
  if (retryable === undefined) {
    throw new RangeError(`Cannot fail a request as Kafka has no error of that name: current value is ${code}`);
  }
  return new KafkaError({ message: `Cannot ${what}`, code, retryable });
};
