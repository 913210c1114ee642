/**
 * Every decoder and every stored format, given inputs that nobody would give it on purpose. `deno task fuzz` gives them
 * a million.
 */
import assert from "node:assert/strict";
import { fuzz, replay } from "../reliability/fuzz/run.ts";
import type { Target } from "../reliability/fuzz/target.ts";
import { targets } from "../reliability/fuzz/targets.ts";

/** How many inputs all targets have together. */
const inputs = 20_000;

/** A seed that stays, so that a failure is one of what was changed. */
const seed = 1;

for (const target of targets) {
  Deno.test(`no input breaks ${target.name}: ${target.about}`, async () => {
    const share = Math.ceil(inputs / targets.length * (target.share ?? 1));
    const { failure } = await fuzz(target, { seed, inputs: share });
    assert.equal(failure, null);
  });
}

/** A target with a fault: it accepts no text in which two letters are the same. */
const faulty: Target = {
  name: "faulty",
  about: "letters",
  rejects: [],
  check: (draw) => {
    const letters = draw.list(20, () => draw.oneOf(["a", "b", "c", "d"]));
    assert.ok(new Set(letters).size === letters.length);
    return "accepted";
  },
};

Deno.test("an input that breaks a promise is made small, and can be run again", async () => {
  const { failure } = await fuzz(faulty, { seed, inputs: 1_000 });
  assert.ok(failure !== null);
  // Two letters, both of them the first.
  assert.equal(failure.input, "00000002");
  const again = await replay(faulty, failure.input!);
  assert.ok(typeof again === "object" && /AssertionError/.test(again.message));
});

Deno.test("an error that is not one of a target's rejections is a failure, and so is an error of the runtime", async () => {
  const throwing = (thrown: unknown, ...rejects: ReadonlyArray<string>): Target => ({
    name: "throwing",
    about: "nothing",
    rejects,
    check: () => {
      throw thrown;
    },
  });
  const outcome = (target: Target) => fuzz(target, { seed, inputs: 3 });
  const refusal = new RangeError("Cannot read as it must be read: current value is 1");
  const accepted = await outcome(throwing(refusal, "RangeError"));
  assert.deepEqual([...accepted.kinds], [["RangeError", 3]]);
  assert.ok((await outcome(throwing(refusal))).failure !== null);
  assert.ok((await outcome(throwing(new RangeError("Invalid array length"), "RangeError"))).failure !== null);
  assert.ok((await outcome(throwing("text", "RangeError"))).failure !== null);
});
