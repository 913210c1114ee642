/** What would be published, used as another program would use it: from a folder of its own, by its own `deno.json`. */
import assert from "node:assert/strict";
import { importsOf } from "./imports.ts";

const root = decodeURIComponent(new URL("../", import.meta.url).pathname);
const config = JSON.parse(await Deno.readTextFile(`${root}deno.json`));
const dependencies: Readonly<Record<string, string>> = config.imports;

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

const deno = async (cwd: string, ...args: ReadonlyArray<string>): Promise<Ended> => {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: [...args],
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, errors };
};

/** What an import means once it is published: the pinned package, and a path in it. */
const resolve = (from: string): string => {
  const name = Object.keys(dependencies).find((name) => from === name || from.startsWith(`${name}/`));
  return name === undefined ? from : dependencies[name] + from.slice(name.length);
};

/** The files that would be published, as paths from the root. */
const published = (async (): Promise<ReadonlyArray<string>> => {
  const { code, errors } = await deno(root, "publish", "--dry-run", "--allow-dirty");
  assert.equal(code, 0, errors);
  const paths = [...errors.matchAll(/^ +file:\/\/(\S+) \([\d.]+ ?\w+\)$/gm)].map(([, path]) =>
    decodeURIComponent(path)
  );
  assert.ok(paths.length > 0, errors);
  return paths.map((path) => {
    assert.ok(path.startsWith(root), path);
    return path.slice(root.length);
  }).sort();
})();

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

/** A program that counts words, keeps its state in a file and reads back what it has written. */
const app = `
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { Effect, Schema } from "effect";

const Word = Schema.Struct({ at: Schema.Number, word: Schema.String });
await Deno.writeTextFile("out/words.ndjson", '{"at":1,"word":"to"}\\n{"at":2,"word":"be"}\\n{"at":3}\\n{"at":4,"word":"to"}\\n');

const counts = Flow.from(Source.ndjson("words", { paths: "out/words.ndjson", schema: Word })).pipe(
  Flow.onError(Sink.ndjson("rejected", { path: "out/rejected.ndjson", schema: Flow.deadLetterSchema })),
  Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
  Flow.keyBy(({ word }) => word),
  Flow.window("counts", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
  Flow.map(({ key, value }) => [key, value] as const),
  Flow.to(Sink.ndjson("counts", { path: "out/counts.ndjson" })),
);
const job = Job.make({ name: "words", guarantee: "exactly-once", flows: [counts] });
const { outcome }: Job.JobSummary = await Effect.runPromise(Job.run(job, { state: "out/state.kv" }));
const read = async (name: string) => (await Deno.readTextFile("out/" + name)).trimEnd().split("\\n").map((line) => JSON.parse(line));
console.log(JSON.stringify({ outcome, counts: (await read("counts.ndjson")).sort(), rejected: (await read("rejected.ndjson")).length }));
`;

Deno.test("what ships is the code, what it is licensed under and how to use it", async () => {
  const others = (await published).filter((path) => !path.startsWith("src/"));
  assert.deepEqual(others, ["CHANGELOG.md", "LICENSE", "README.md", "deno.json", "mod.ts"]);
  for (const path of await published) {
    if (path.startsWith("src/")) assert.match(path, /^src\/[a-z-]+(\/[a-z0-9-]+)+\.ts$/);
    assert.doesNotMatch(path, /_test\.|(^|\/)(tests?|bench|examples|data|fixtures)\//);
  }
});

Deno.test("what ships needs nothing but what it says, each pinned to one version", async () => {
  for (const path of await published) {
    if (!path.endsWith(".ts")) continue;
    for (const from of importsOf(await Deno.readTextFile(`${root}${path}`))) {
      if (from.startsWith(".")) {
        const target = new URL(from, `file://${root}${path}`).pathname.slice(root.length);
        assert.ok((await published).includes(target), `${path} imports ${from}, which does not ship`);
      } else if (!from.startsWith("node:")) {
        assert.match(
          resolve(from),
          /^npm:(@[a-z-]+\/)?[a-z-]+@\d+\.\d+\.\d+(\/\w+)*$/,
          `${path} imports ${from}`,
        );
      }
    }
  }
});

Deno.test("the commands of the README that show what is documented show it", async () => {
  const commands = (await Deno.readTextFile(`${root}README.md`)).match(/^deno doc [^#\n]+/gm) ?? [];
  assert.ok(commands.length > 0);
  for (const command of commands) {
    const { code, out, errors } = await deno(root, ...command.trim().split(" ").slice(1));
    assert.equal(code, 0, errors);
    assert.match(out, /@example/, command);
  }
});

Deno.test("importing the package loads only its own files and Effect", async () => {
  const { code, out, errors } = await deno(root, "info", "--json", "mod.ts");
  assert.equal(code, 0, errors);
  const { modules } = JSON.parse(out);
  for (const { specifier } of modules as ReadonlyArray<{ readonly specifier: string }>) {
    if (specifier.startsWith("node:") || /^npm:\/effect@[\d.]+(\/\w+)*$/.test(specifier)) continue;
    assert.ok(specifier.startsWith("file:"), specifier);
    const path = decodeURIComponent(new URL(specifier).pathname);
    assert.ok((await published).includes(path.slice(root.length)), specifier);
  }
});

for (
  const [how, compilerOptions] of [
    ["with no more than strict types", { strict: true }],
    ["without exactOptionalPropertyTypes", { ...config.compilerOptions, exactOptionalPropertyTypes: false }],
  ] as const
) {
  Deno.test(`a program that imports Weir by its path checks its types by its own options, as ${how}`, () =>
    inFolder(async (folder) => {
      await Deno.copyFile(`${root}deno.lock`, `${folder}/deno.lock`);
      const imports = Object.fromEntries(Object.entries(dependencies).filter(([, to]) => to.startsWith("npm:")));
      await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports, unstable: ["kv"], compilerOptions }));
      const entries = Object.values(config.exports as Record<string, string>).map((path) => `${root}${path}`);
      const { code, errors } = await deno(folder, "check", "--quiet", "--config=deno.json", ...entries);
      assert.equal(code, 0, errors);
    }));
}

Deno.test("another program runs a pipeline on what ships, with no more permissions than its own files need", () =>
  inFolder(async (folder) => {
    // A registry writes the versions of the import map into the modules, and an app has a map of its own.
    for (const path of await published) {
      const copy = `${folder}/package/${path}`;
      await Deno.mkdir(copy.slice(0, copy.lastIndexOf("/")), { recursive: true });
      const text = await Deno.readTextFile(`${root}${path}`);
      await Deno.writeTextFile(
        copy,
        path.endsWith(".ts")
          ? text.replace(/(from|^import) "([^"]+)"/gm, (_, word, from) => `${word} "${resolve(from)}"`)
          : text,
      );
    }
    const home = `${folder}/app`;
    await Deno.mkdir(`${home}/out`, { recursive: true });
    // The versions are the locked ones, so that nothing has to be looked up.
    await Deno.copyFile(`${root}deno.lock`, `${home}/deno.lock`);
    await Deno.writeTextFile(`${home}/main.ts`, app);
    await Deno.writeTextFile(
      `${home}/deno.json`,
      JSON.stringify({
        imports: { "@weir/streams": "../package/mod.ts", "effect": dependencies.effect },
        unstable: ["kv"],
        compilerOptions: { strict: true },
      }),
    );
    const checked = await deno(home, "check", "--quiet", "main.ts");
    assert.equal(checked.code, 0, checked.errors);
    const { code, out, errors } = await deno(
      home,
      "run",
      "--quiet",
      "--no-prompt",
      "--cached-only",
      "--allow-read=out",
      "--allow-write=out",
      "main.ts",
    );
    assert.equal(code, 0, errors);
    assert.deepEqual(JSON.parse(out), { outcome: "ended", counts: [["be", 1], ["to", 2]], rejected: 1 });
  }));
