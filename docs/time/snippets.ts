/**
 * The lines of code that a page shows: those that have run, taken from the files that they stand in.
 *
 * @module
 */

/** How deep a line is indented. */
const depthOf = (line: string): number => line.length - line.trimStart().length;

/**
 * The pipeline of a scenario, from the text of the file that it is in. `pipeline` is the last property of a scenario, and
 * gives back one expression that begins on a line of its own.
 */
export const pipelineOf = (file: string, name: string): string => {
  const lines = file.split("\n");
  const after = (from: number, holds: (line: string) => boolean): number => {
    const found = lines.findIndex((line, k) => k > from && holds(line));
    if (found < 0) throw new Error(`There is no pipeline of "${name}"`);
    return found;
  };
  const start = after(-1, (line) => line.trim() === `name: "${name}",`);
  const arrow = after(start, (line) => line.trim() === "pipeline: (readings) =>");
  const end = after(arrow, (line) => line === "  },");
  const body = lines.slice(arrow + 1, end);
  const depth = depthOf(body[0]);
  return body.map((line) => line.slice(Math.min(depth, depthOf(line)))).join("\n").replace(/,$/, "");
};

/** A module without its imports and the comment at its head. */
export const bodyOf = (file: string): string =>
  file.replace(/^\/\*\*[\s\S]*?\*\/\n/, "").replace(/^import [\s\S]*?;\n/gm, "").trim();
