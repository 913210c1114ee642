/**
 * Watches the lengths in a stream of answers, so that a broker which claims too much is left before anything is kept of it.
 *
 * @module
 */
import { malformed, notABroker, notEncrypted, type Refusal, tooLarge } from "./refusal.ts";

/** The number of the request that is answered, with which every answer begins. */
const answerBytesMin = 4;

/** How an alert and a handshake of TLS 1.x begin, where they are read as the length of an answer. */
const tlsHeads = [0x150303, 0x160303];

/** Watches a stream of answers, each of which has its length before it in four bytes. */
export class FrameWatch {
  /** How many bytes of an answer are still to come. */
  #left = 0;
  /** What was seen of a length. */
  #length = 0;
  #lengthBytes = 0;

  constructor(readonly bytesMax: number) {}

  /** Sees the next bytes; says the first length that no answer may have, if there is one. Then it has no more to do. */
  see(bytes: Uint8Array): number | null {
    let at = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        const seen = Math.min(this.#left, bytes.length - at);
        this.#left -= seen;
        at += seen;
        continue;
      }
      this.#length = (this.#length << 8) | bytes[at++];
      if (++this.#lengthBytes < 4) continue;
      if (this.#length < answerBytesMin || this.#length > this.bytesMax) return this.#length;
      this.#left = this.#length;
      this.#length = 0;
      this.#lengthBytes = 0;
    }
    return null;
  }

  /** What is wrong with an answer of a length that none may have, from what is known to be a broker or not. */
  refusalOf(length: number, address: string, isBroker: boolean): Refusal {
    const current = `an answer of ${length} bytes (${address})`;
    if (isBroker) return length > this.bytesMax ? tooLarge("an answer", this.bytesMax, current) : malformed(current);
    return tlsHeads.includes(length >>> 8) ? notEncrypted(address) : notABroker(current);
  }
}
