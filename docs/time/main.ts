/**
 * Draws time: runs the engine on a few records for each window, trigger and pane mode, and writes `docs/time.md`.
 *
 * ```sh
 * deno task docs:time    # writes the page and its pictures
 * deno task check:time   # fails if they differ from what the engine says
 * ```
 *
 * @module
 */
import { generate, outdated, write } from "./generate.ts";

const files = await generate();
if (Deno.args.includes("--check")) {
  const changed = await outdated(files);
  for (const path of changed) console.error(`docs/${path} differs from what the engine says: run deno task docs:time`);
  Deno.exit(changed.length === 0 ? 0 : 1);
}
await write(files);
console.log(`docs/time.md and ${files.size - 1} pictures`);
