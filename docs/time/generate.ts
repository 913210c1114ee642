/**
 * Makes the page and its pictures, and finds out whether those that are there are up to date.
 *
 * @module
 */
import { draw } from "./draw.ts";
import { observe } from "./observe.ts";
import { type Played, type PlayedPart, writePage } from "./page.ts";
import { parts } from "./scenarios.ts";

const folder = new URL("./", import.meta.url);

/** The folder of the pictures, from the page. */
const pictures = "time/pictures";

/** The files to be, by their paths from the page's folder. */
export const generate = async (): Promise<ReadonlyMap<string, string>> => {
  const files = new Map<string, string>();
  const played: Array<PlayedPart> = [];
  for (const part of parts) {
    const all: Array<Played> = [];
    for (const scenario of part.scenarios) {
      const moments = await observe(scenario);
      files.set(`${pictures}/${scenario.name}.svg`, draw(scenario, moments));
      all.push({ scenario, moments });
    }
    played.push({ ...part, played: all, code: await Deno.readTextFile(new URL(`scenarios/${part.file}`, folder)) });
  }
  const common = await Deno.readTextFile(new URL("keyed.ts", folder));
  files.set("time.md", await format(writePage(played, common, pictures)));
  return files;
};

/** What the repository's formatter makes of Markdown. */
const format = async (text: string): Promise<string> => {
  const command = new Deno.Command("deno", {
    args: ["fmt", "--quiet", "--ext", "md", "-"],
    cwd: folder,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
};

/** The address of a file, by its path from the page's folder. */
const at = (path: string): URL => new URL(`../${path}`, folder);

/** The pictures that are there. */
const drawn = async (): Promise<ReadonlyArray<string>> =>
  (await Array.fromAsync(Deno.readDir(at(pictures)))).map(({ name }) => `${pictures}/${name}`);

/** The paths of files that are not as they would be if they were written now, or that nobody writes any more. */
export const outdated = async (files: ReadonlyMap<string, string>): Promise<ReadonlyArray<string>> => {
  const changed: Array<string> = (await drawn()).filter((path) => !files.has(path));
  for (const [path, text] of files) {
    const is = await Deno.readTextFile(at(path)).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    });
    if (is !== text) changed.push(path);
  }
  return changed.sort();
};

/** Writes the files, and removes pictures that nobody draws any more. */
export const write = async (files: ReadonlyMap<string, string>): Promise<void> => {
  await Deno.mkdir(at(pictures), { recursive: true });
  for (const path of await drawn()) if (!files.has(path)) await Deno.remove(at(path));
  for (const [path, text] of files) await Deno.writeTextFile(at(path), text);
};
