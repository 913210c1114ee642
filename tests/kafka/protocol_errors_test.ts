/** What the numbers of Kafka's errors mean. */
import assert from "node:assert/strict";
import { protocolError, protocolErrorNamed } from "../../src/kafka/protocol-errors.ts";

Deno.test("errors have the names that Kafka gives them today", () => {
  const names: Readonly<Record<number, string>> = {
    [-1]: "UNKNOWN_SERVER_ERROR",
    0: "NONE",
    6: "NOT_LEADER_OR_FOLLOWER",
    15: "COORDINATOR_NOT_AVAILABLE",
    16: "NOT_COORDINATOR",
    29: "TOPIC_AUTHORIZATION_FAILED",
    51: "CONCURRENT_TRANSACTIONS",
    90: "PRODUCER_FENCED",
    120: "TRANSACTION_ABORTABLE",
    136: "CONTROLLER_ID_NOT_REGISTERED",
    999: "ERROR_999",
  };
  for (const [code, name] of Object.entries(names)) assert.equal(protocolError(Number(code)).name, name);
});

Deno.test("what may pass may be tried again, and a missing topic, a refusal or a fence does not pass", () => {
  const passing = [2, 5, 6, 7, 14, 15, 16, 19, 51, 56, 78, 88];
  const lasting = [-1, 1, 3, 10, 29, 30, 31, 45, 47, 53, 58, 87, 90, 999];
  for (const code of passing) assert.ok(protocolError(code).retryable, protocolError(code).name);
  for (const code of lasting) assert.ok(!protocolError(code).retryable, protocolError(code).name);
});

Deno.test("an error means the same by its name", () => {
  for (let code = -1; code <= 140; code++) {
    const error = protocolError(code);
    assert.deepEqual(protocolErrorNamed(error.name), error);
  }
});
