/** The rules of the house that a machine can check. */
import assert from "node:assert/strict";
import { importsOf } from "./imports.ts";

const root = decodeURIComponent(new URL("../", import.meta.url).pathname);

/** Folders that hold what is not ours, or what programs have written. */
const left = [".git", ".weir", "node_modules", "coverage", "target"];

/** Every file of the repository, as a path from its root. */
const filesIn = async (folder: string): Promise<ReadonlyArray<string>> => {
  const paths: Array<string> = [];
  for await (const { name, isDirectory } of Deno.readDir(root + folder)) {
    if (left.includes(name)) continue;
    const path = folder === "" ? name : `${folder}/${name}`;
    if (isDirectory) paths.push(...await filesIn(path));
    else paths.push(path);
  }
  return paths.sort();
};

const read = (path: string): Promise<string> => Deno.readTextFile(root + path);

/** The files below a folder, with their texts. */
const textsIn = async (folder: string): Promise<ReadonlyArray<readonly [path: string, text: string]>> =>
  Promise.all((await filesIn(folder)).map(async (path) => [path, await read(path)] as const));

/** Fails with every line that a pattern finds. */
const assertNone = (
  texts: ReadonlyArray<readonly [path: string, text: string]>,
  pattern: RegExp,
  rule: string,
): void => {
  const found = texts.flatMap(([path, text]) =>
    text.split("\n").flatMap((line, k) => pattern.test(line) ? [`${path}:${k + 1}: ${line.trim()}`] : [])
  );
  assert.deepEqual(found, [], rule);
};

/** The path of a module that is imported by its relative path. */
const resolve = (path: string, from: string): string => new URL(from, `file:///${path}`).pathname.slice(1);

/** The modules that a person imports, and the namespaces that these consist of. */
const faces = async (): Promise<ReadonlyArray<string>> => {
  const { exports } = JSON.parse(await read("deno.json"));
  const entries = Object.values(exports as Record<string, string>).map((path) => path.replace("./", ""));
  const namespaces = await Promise.all(
    entries.map(async (entry) =>
      [...(await read(entry)).matchAll(/^export \* as \w+ from "([^"]+)";/gm)].map(([, from]) => resolve(entry, from))
    ),
  );
  return [...entries, ...namespaces.flat()];
};

Deno.test("time and chance come from services", async () => {
  assertNone(
    await textsIn("src"),
    /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|crypto\.getRandomValues|randomUUID|setTimeout|setInterval)\b/,
    "use Clock and Random",
  );
});

Deno.test("imports run downward", async () => {
  const floors = ["windows", "kv-state", "actors", "exactly-once", "streams"];
  const wrong: Array<string> = [];
  for (const [path, text] of await textsIn("src")) {
    const floor = floors.indexOf(path.split("/")[1]);
    for (const from of importsOf(text)) {
      if (!from.startsWith(".")) continue;
      const target = resolve(path, from);
      const below = floors.indexOf(target.split("/")[1]);
      const isSameFolder = path.split("/")[1] === target.split("/")[1];
      // What is on no floor stands on top: it may import all, and nothing else imports it.
      if (!isSameFolder && (below === -1 || (floor !== -1 && below > floor))) wrong.push(`${path} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("the faces of the package only re-export, and no module imports them", async () => {
  const all = await faces();
  for (const face of all) {
    const code = (await read(face)).replace(/\/\*[\s\S]*?\*\//g, "").trim();
    for (const statement of code.split(/;\s*/).filter((statement) => statement !== "")) {
      assert.match(statement, /^export (type )?(\{[^}]*\}|\* as \w+) from "[^"]+"$/, face);
    }
  }
  for (const [path, text] of await textsIn("src")) {
    if (all.includes(path)) continue;
    for (const from of importsOf(text)) {
      assert.notEqual(from, "@weir/streams", path);
      if (from.startsWith(".")) assert.ok(!all.includes(resolve(path, from)), `${path} imports ${from}`);
    }
  }
});

Deno.test("the documentation of every face is checked", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  const checked = tasks["check:docs"].split(" ").filter((word: string) => word.endsWith(".ts"));
  assert.deepEqual(checked.sort(), (await faces()).toSorted());
});

Deno.test("limits are constants, and say what they are about", async () => {
  const texts = await textsIn("src");
  assertNone(texts, /^\s*(let|var) \w+(Max|Min)\b/, "a limit is a const");
  for (const [path, text] of texts) {
    const lines = text.split("\n");
    lines.forEach((line, k) => {
      if (/^(export )?const \w+(Max|Min)\b/.test(line)) assert.match(lines[k - 1], /\*\/$/, `${path}: ${line}`);
    });
  }
});

Deno.test("tasks and CI grant no more than they name, and ask nobody", async () => {
  const { tasks, permissions } = JSON.parse(await read("deno.json"));
  for (const task of Object.values(tasks as Record<string, string | { readonly command: string }>)) {
    const command = typeof task === "string" ? task : task.command;
    assert.doesNotMatch(command, /\s(-A|--allow-all)\b/);
    if (/^deno (run|test|bench)\b/.test(command)) {
      assert.match(command, / --no-prompt\b/, command);
      const set = command.match(/ -P=(\w+)/)?.[1];
      assert.ok(set !== undefined && set in permissions, command);
    }
  }
  assertNone([[".ci/run", await read(".ci/run")]], /\s(-A|--allow-all)\b/, "name the permissions");
});

Deno.test("no file tells on whose machine it was written", async () => {
  const binary = /\.(kv|png|gif|jpg|ico|woff2)$/;
  const paths = (await filesIn("")).filter((path) => !binary.test(path));
  const texts = await Promise.all(paths.map(async (path) => [path, await read(path)] as const));
  assertNone(texts, /(?<![\w.}/-])\/(work|root|tmp|home|Users)\//, "a path of one machine");
  assertNone(texts, /\bregistry\.[a-z]+(\.[a-z]+)*\.(org|com|net|io)\b|\blocalhost:4873\b/, "a registry by its host");
  assertNone(texts, /\bsub-?agents?\b|\b(this|previous|next) session\b/i, "how it came to be written");
});
