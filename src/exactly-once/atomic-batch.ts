/**
 * Mutations gathered until they fill one atomic commit.
 *
 * @module
 */
import type { KvKey, KvMutation } from "../kv-state/kv.ts";
import { commitBytesMax, commitKeyBytesMax, commitMutationsMax, keyBytes } from "../kv-state/kv-limits.ts";

/** The bytes kept free for what a store adds to each key and value of its own. */
const reserveBytes = 8_192;

/** Mutations that fit one atomic commit together. */
export class AtomicBatch {
  #mutations: Array<KvMutation> = [];
  #keyBytes = 0;
  #bytes = 0;

  /** Whether there is nothing to commit. */
  get isEmpty(): boolean {
    return this.#mutations.length === 0;
  }

  /** Adds a value if it fits; returns whether it did. */
  set(key: KvKey, value: Uint8Array): boolean {
    return this.#add({ type: "set", key, value }, keyBytes(key), value.byteLength);
  }

  /** Adds the deletion of a key if it fits; returns whether it did. */
  delete(key: KvKey): boolean {
    return this.#add({ type: "delete", key }, keyBytes(key), 0);
  }

  /** Hands out what was gathered, and begins anew. */
  take(): Array<KvMutation> {
    const mutations = this.#mutations;
    this.#mutations = [];
    this.#keyBytes = 0;
    this.#bytes = 0;
    return mutations;
  }

  #add(mutation: KvMutation, key: number, value: number): boolean {
    const bytes = this.#bytes + key + value;
    if (
      this.#mutations.length >= commitMutationsMax || bytes > commitBytesMax - reserveBytes ||
      this.#keyBytes + key > commitKeyBytesMax - reserveBytes
    ) {
      return false;
    }
    this.#mutations.push(mutation);
    this.#keyBytes += key;
    this.#bytes = bytes;
    return true;
  }
}
