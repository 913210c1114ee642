/**
 * A record of a topic, decoded.
 *
 * @module
 */
import type { Header } from "./client.ts";

/** A record of a topic. `K`, `V` and `H` are what its key, value and headers are decoded as. */
export class KafkaRecord<out K, out V, out H = ReadonlyArray<Header>> {
  /** Made by a source. A class, so that V8 does not take what is made here for something that lives long. */
  constructor(
    /** The topic. */
    readonly topic: string,
    /** The partition of the topic. */
    readonly partition: number,
    /** Its place in the partition. */
    readonly offset: number,
    /** Epoch milliseconds: when the record was made, or appended where the topic says so. */
    readonly timestamp: number,
    /** Its key. */
    readonly key: K,
    /** Its value. */
    readonly value: V,
    /** Its headers. */
    readonly headers: H,
  ) {}
}
