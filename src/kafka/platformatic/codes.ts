/**
 * The errors of Kafka's protocol that this adapter acts on, by their numbers.
 *
 * @module
 */

/** Number by name; what the others are called is in `protocol-errors.ts`. */
export const codes = {
  unknownServerError: -1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  unsupportedVersion: 35,
  topicAlreadyExists: 36,
  duplicateSequenceNumber: 46,
  saslAuthenticationFailed: 58,
} as const;
