/** The page about testing: its code is that of the examples, and what it quotes is what is said. */
import assert from "node:assert/strict";
import { checkExactlyOnce, simulate } from "@weir/streams/testing";
import { makeReceipts } from "../examples/testing/receipts.ts";

const root = new URL("../", import.meta.url);
const page = Deno.readTextFileSync(new URL("docs/testing.md", root));

/** The blocks of the page in one language, each with the line of text before it. */
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^(.*)\n\n\`\`\`${language}\n([\\s\\S]*?)\n\`\`\`$`, "gm"))].map(([, before, text]) => ({
    before,
    text,
  }));

Deno.test("the page shows every file of its examples as it is, and no other code", () => {
  const shown = blocks("ts").map(({ before, text }) => {
    const [, path] = before.match(/^\[examples\/testing\/([a-z_]+\.ts)\]\(\.\.\/examples\/testing\/\1\):$/) ??
      assert.fail(`a block of code without its file: ${text.split("\n")[0]}`);
    assert.equal(`${text}\n`, Deno.readTextFileSync(new URL(`examples/testing/${path}`, root)), path);
    return path;
  });
  const files = [...Deno.readDirSync(new URL("examples/testing", root))].map(({ name }) => name);
  assert.deepEqual(shown.toSorted(), files.toSorted());
});

Deno.test("the messages that the page quotes are those that are given", async () => {
  const [simulated, checked] = blocks("text").map(({ text }) => text);
  const found = await simulate(makeReceipts, { faults: { kinds: ["crash-before"] } }).then(
    () => assert.fail("nothing was found"),
    (error: Error) => error.message,
  );
  // When and where it happened may be otherwise in another version.
  const shape = (message: string): ReadonlyArray<string> =>
    message.split("\n").map((line) => line.replaceAll(/ *\d+/g, " 0"))
      .filter((line) => !/^ {4}\S/.test(line) && !/process 0: (publishes|reads)/.test(line));
  assert.deepEqual(shape(simulated), shape(found));

  const rows = Array.from({ length: 30 }, (_, n) => ({ city: ["Bern", "Genf", "Chur"][n % 3], n }));
  const written = [...rows.slice(0, 7), ...rows.slice(8, 12), rows[3], ...rows.slice(12), { city: "Bern", n: 99 }];
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, written.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await assert.rejects(checkExactlyOnce({ output: { ndjson: path }, expected: rows }), { message: checked });
  await Deno.remove(path);
});
