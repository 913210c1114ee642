/**
 * Runs the loop of a query over the first events.
 *
 * @module
 */
import { eventsOf, type GeneratorOptions, outOfOrderBoundMillis } from "../nexmark/generator.ts";
import { loops } from "./loops.ts";

/** Runs a query's loop, and hands on its rows. */
export const runLoop = (
  query: string,
  events: number,
  options: GeneratorOptions,
  emit: (row: object) => void,
): void => {
  const make = loops[query];
  if (make === undefined) {
    throw new RangeError(`Cannot run a loop as there is none of the query: current value is ${query}`);
  }
  const { bid, end } = make(emit, outOfOrderBoundMillis(options));
  const eventAt = eventsOf(options);
  for (let n = 0; n < events; n++) {
    const event = eventAt(n);
    if (event.kind === "bid") bid(event);
  }
  end();
};
