/** Texts that are equal for equal values, and for these alone. */
import assert from "node:assert/strict";
import { canonical } from "../src/testing/canonical.ts";

Deno.test("what has no properties to enumerate is told apart by what it is", () => {
  const bytes = (...of: ReadonlyArray<number>): ArrayBuffer => new Uint8Array(of).buffer;
  const different: ReadonlyArray<() => readonly [unknown, unknown]> = [
    () => [new Error("a"), new Error("b")],
    () => [new Error("a"), new TypeError("a")],
    () => [new Error("a", { cause: 1 }), new Error("a", { cause: 2 })],
    () => [Object.assign(new Error("a"), { code: 1 }), Object.assign(new Error("a"), { code: 2 })],
    () => [new URL("http://a/"), new URL("http://b/")],
    () => [/a/g, /a/i],
    () => [bytes(1), bytes(2)],
    () => [new DataView(bytes(1)), new DataView(bytes(2))],
  ];
  for (const make of different) {
    const [a, b] = make();
    assert.notEqual(canonical(a), canonical(b));
    assert.equal(canonical({ a }), canonical({ a: make()[0] }));
  }
});
