/**
 * Runs a target over many inputs, and makes the input of a failure small.
 *
 * @module
 */
import { AssertionError } from "node:assert";
import { Draw, type Origin } from "./draw.ts";
import { kindOf, type Target } from "./target.ts";

/** How long one input may take, in milliseconds. A busy machine takes its time, so it is far above what any needs. */
const inputMillisMax = 20_000;

/** After how many inputs memory is looked at. */
const looksEveryInputs = 64;

/** After how many inputs everything that can be collected is, where the runtime allows it. */
const collectsEveryInputs = 10_000;

/** By how many bytes the heap may have grown after that, over all the inputs of a target. */
const retainedBytesMax = 32 * 1_024 * 1_024;

/** By how many bytes memory may grow between two looks. */
const grownBytesMax = 512 * 1_024 * 1_024;

/** How many smaller inputs are tried when a failure is made small. */
const smallerTriesMax = 2_000;

/** A broken promise, with the input that broke it. */
export interface Failure {
  readonly target: string;
  readonly seed: number;
  readonly index: number;
  /** What is wrong. */
  readonly message: string;
  /** The choices that make the smallest input found: what `--input` takes. `null` for one that never ended. */
  readonly input: string | null;
  /** What the decoder was given. */
  readonly notes: ReadonlyArray<readonly [name: string, input: string]>;
}

/** What became of the inputs of a target. */
export interface Outcome {
  readonly target: string;
  readonly inputs: number;
  readonly millis: number;
  /** How many inputs were accepted, and how many rejected by which error. */
  readonly kinds: ReadonlyMap<string, number>;
  /** The slowest input, in milliseconds. */
  readonly slowestMillis: number;
  /** The most memory that the process took, in bytes. */
  readonly memoryBytes: number;
  readonly failure: Failure | null;
}

/** Writes choices down as hexadecimal digits, eight a choice. The zeros at the end go without saying. */
const written = (words: ReadonlyArray<number>): string =>
  words.slice(0, 1 + words.findLastIndex((word) => word > 0)).map((word) => word.toString(16).padStart(8, "0")).join(
    "",
  );

/** Reads choices that were written down. */
export const read = (input: string): Array<number> =>
  Array.from(input.match(/[0-9a-f]{8}/gi) ?? [], (digits) => parseInt(digits, 16));

/** Tells targets apart, so that one seed gives each of them inputs of its own. */
const streamOf = (name: string): number => {
  let hash = 0x811c9dc5;
  for (let k = 0; k < name.length; k++) hash = Math.imul(hash ^ name.charCodeAt(k), 0x01000193);
  return hash >>> 0;
};

/** Runs one input. Returns its kind, or what is wrong. */
const runOne = async (target: Target, draw: Draw): Promise<{ kind: string } | { wrong: string }> => {
  try {
    // Most targets answer at once, and waiting costs as much as many of their inputs.
    const kind = target.check(draw);
    return { kind: typeof kind === "string" ? kind : await kind };
  } catch (thrown) {
    const kind = kindOf(thrown);
    if (!(thrown instanceof AssertionError) && target.rejects.includes(kind)) return { kind };
    return { wrong: thrown instanceof Error ? `${kind}: ${thrown.stack ?? thrown.message}` : kind };
  }
};

/** Makes the choices of a failure fewer and smaller for as long as it is still one. */
const shrink = async (target: Target, words: ReadonlyArray<number>): Promise<Draw> => {
  let tries = 0;
  let smallest = words;
  const stillFails = async (candidate: ReadonlyArray<number>): Promise<boolean> => {
    tries++;
    return "wrong" in await runOne(target, new Draw(candidate));
  };
  for (let size = smallest.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < smallest.length && tries < smallerTriesMax;) {
      const candidate = [...smallest.slice(0, at), ...smallest.slice(at + size)];
      if (await stillFails(candidate)) smallest = candidate;
      else at += size;
    }
  }
  for (let at = 0; at < smallest.length && tries < smallerTriesMax; at++) {
    const word = smallest[at];
    for (const lower of [0, 1, 2, 3, word % 16, word % 256, word >>> 1, word - 1]) {
      if (lower >= word || !(await stillFails(smallest.with(at, lower)))) continue;
      smallest = smallest.with(at, lower);
      break;
    }
  }
  const draw = new Draw(smallest);
  await runOne(target, draw);
  return draw;
};

const failureOf = (target: Target, origin: Pick<Origin, "seed" | "index">, message: string, draw: Draw): Failure => ({
  target: target.name,
  seed: origin.seed,
  index: origin.index,
  message,
  input: written(draw.words),
  notes: Array.from(draw.notes, ([name, input]) => [name, typeof input === "string" ? input : input.toHex()]),
});

/** Runs one input that was written down. */
export const replay = async (target: Target, input: string): Promise<string | Failure> => {
  const draw = new Draw(read(input));
  const ran = await runOne(target, draw);
  return "kind" in ran ? ran.kind : failureOf(target, { seed: 0, index: 0 }, ran.wrong, draw);
};

/** Runs a target until it has had all its inputs, or one of them fails. */
export const fuzz = async (
  target: Target,
  options: {
    readonly seed: number;
    readonly inputs: number;
    /** Told before each input which one it is. */
    readonly onInput?: (index: number) => void;
    /** Collects everything that can be; without it nothing is said of what stays in memory. */
    readonly collect?: (() => void) | undefined;
  },
): Promise<Outcome> => {
  const { seed, inputs, onInput, collect } = options;
  const stream = streamOf(target.name);
  const kinds = new Map<string, number>();
  const began = performance.now();
  let slowestMillis = 0;
  let { rss, heapUsed } = Deno.memoryUsage();
  let memoryBytes = rss;
  let baseline = NaN;
  let index = 0;
  let failure: Failure | null = null;
  for (; index < inputs && failure === null; index++) {
    onInput?.(index);
    const draw = new Draw({ seed, stream, index });
    const inputBegan = performance.now();
    const ran = await runOne(target, draw);
    const millis = performance.now() - inputBegan;
    slowestMillis = Math.max(slowestMillis, millis);
    if ("wrong" in ran) {
      const small = await shrink(target, draw.words);
      const again = await runOne(target, new Draw(small.words));
      failure = failureOf(target, { seed, index }, "wrong" in again ? again.wrong : ran.wrong, small);
      continue;
    }
    kinds.set(ran.kind, (kinds.get(ran.kind) ?? 0) + 1);
    if (millis > inputMillisMax) {
      failure = failureOf(target, { seed, index }, `It took ${Math.round(millis)} milliseconds`, draw);
    }
    if (index % looksEveryInputs === 0) {
      const memory = Deno.memoryUsage();
      memoryBytes = Math.max(memoryBytes, memory.rss);
      if (memory.rss - rss > grownBytesMax) {
        failure = failureOf(
          target,
          { seed, index },
          `Memory grew from ${rss} to ${memory.rss} bytes in a moment`,
          draw,
        );
      }
      rss = memory.rss;
    }
    if (collect !== undefined && (index + 1) % collectsEveryInputs === 0) {
      // What the deserializer held goes the second time.
      collect();
      collect();
      ({ heapUsed } = Deno.memoryUsage());
      // What is made once (compiled Schemas, say) is there after the first of them.
      if (Number.isNaN(baseline)) baseline = heapUsed;
      if (heapUsed - baseline > retainedBytesMax) {
        failure = failureOf(target, { seed, index }, `The heap grew from ${baseline} to ${heapUsed} bytes`, draw);
      }
    }
  }
  const millis = performance.now() - began;
  return { target: target.name, inputs: index, millis, kinds, slowestMillis, memoryBytes, failure };
};
