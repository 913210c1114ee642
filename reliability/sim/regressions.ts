/**
 * The list of scenarios that came out wrong once. They always run.
 *
 * Scenarios are kept as they are, not by their seeds: what a seed stands for changes with every new kind of pipeline.
 */
import type { Scenario } from "./scenario.ts";

/** A scenario that came out wrong. */
export interface Regression {
  /** The seed that it was found with. */
  readonly seed: number;
  /** What was wrong. */
  readonly note: string;
  readonly scenario: Scenario;
}

const path = new URL("./regressions.json", import.meta.url);

/** How JSON holds what it has no number for. */
const infinity = "Infinity";

/** Reads the list. */
export const regressions = async (): Promise<ReadonlyArray<Regression>> =>
  JSON.parse(await Deno.readTextFile(path), (_, value) => value === infinity ? Infinity : value);

/** Puts scenarios on the list. */
export const addRegressions = async (added: ReadonlyArray<Regression>): Promise<void> => {
  const all = [...await regressions(), ...added];
  const text = JSON.stringify(all, (_, value) => value === Infinity ? infinity : value, 2);
  await Deno.writeTextFile(path, `${text}\n`);
};
