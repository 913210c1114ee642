/**
 * What is outside of the processes of a simulated world and outlives them: disks, and what sinks hold.
 */
import { Context } from "effect";
import { Files } from "../../src/streams/files.ts";
import { type MemoryKv, memoryKv } from "../../src/testing/memory-kv.ts";
import { type ModelDisk, modelDisk } from "../../src/testing/simulation/model-disk.ts";
import type { Held } from "./sinks.ts";

/** The outside of one world. */
export interface Outside {
  /** Where state and tables are. */
  readonly kv: MemoryKv;
  /** Where files are. */
  readonly disk: ModelDisk;
  /** What the sinks hold, by their names. A job that goes on with the work of another finds them as they were left. */
  readonly sinks: Map<string, Held>;
  /** Servers that sources talk to, by the names of these. */
  readonly servers: Map<string, unknown>;
  /** What the job's functions find in their context. */
  readonly services: Context.Context<never>;
}

/** An outside in which nothing has happened. */
export const outside = (): Outside => {
  const disk = modelDisk();
  const services = Context.add(Context.empty(), Files, disk) as Context.Context<never>;
  return { kv: memoryKv(), disk, sinks: new Map(), servers: new Map(), services };
};
