/**
 * Ids of topics, which Kafka draws when a topic is made.
 *
 * @module
 */

/** How many bytes an id has. */
export const topicIdBytes = 16;

/** An id as Kafka's own tools write it: base64 for addresses, without padding. All zeros stand for none. */
export const topicIdOf = (bytes: Uint8Array): string | null =>
  bytes.every((byte) => byte === 0) ? null : bytes.toBase64({ alphabet: "base64url", omitPadding: true });
