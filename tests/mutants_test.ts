/** That the mutants of `deno task mutants` still are changes of the code. What becomes of them, that task finds out. */
import assert from "node:assert/strict";
import { mutants } from "../reliability/mutants/list.ts";
import { mutate } from "../reliability/mutants/mutant.ts";

const root = new URL("../", import.meta.url);

Deno.test("every mutant changes one place of the code", async () => {
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length, "names are used once");
  for (const mutant of mutants) {
    const text = await Deno.readTextFile(new URL(mutant.file, root));
    assert.notEqual(mutate(mutant, text), text, mutant.name);
    for (const test of mutant.likely) assert.ok((await Deno.stat(new URL(test, root))).isFile, test);
  }
});

Deno.test("a mutant whose text is not there, or more than once, is refused", () => {
  const mutant = { name: "m", breaks: "it", file: "f.ts", before: "a$&", after: "$1", likely: [] };
  assert.equal(mutate(mutant, "xa$&y"), "x$1y");
  for (const text of ["x", "a$&a$&"]) assert.throws(() => mutate(mutant, text), RangeError);
});
