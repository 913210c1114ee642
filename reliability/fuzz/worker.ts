/**
 * A thread that runs one target, and says at every input which one it is at.
 *
 * @module
 */
import { fuzz } from "./run.ts";
import { targets } from "./targets.ts";

/** What the thread is told. */
export interface Wanted {
  readonly target: string;
  readonly seed: number;
  readonly inputs: number;
  /** Holds the number of the input that is running. */
  readonly progress: Int32Array<SharedArrayBuffer>;
}

const thread = globalThis as unknown as {
  onmessage: (event: { readonly data: Wanted }) => void;
  readonly postMessage: (message: unknown) => void;
  /** There with `--expose-gc`. */
  readonly gc?: () => void;
};

thread.onmessage = async ({ data: { target: name, seed, inputs, progress } }) => {
  const target = targets.find((one) => one.name === name)!;
  const onInput = (index: number): void => void Atomics.store(progress, 0, index);
  thread.postMessage(await fuzz(target, { seed, inputs, onInput, collect: thread.gc }));
};
