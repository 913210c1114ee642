/**
 * Drawing faults: what goes wrong in a world, out of its seed.
 *
 * @module
 */
import { type Fault, type FaultKind, kindsOf, type Port, ports } from "./faults.ts";
import { Seeded } from "./seeded.ts";

/** How often in a row a store is locked or fails at most. */
const timesMax = 3;

/** The kinds that are worth repeating: most others are over with the process. */
const repeats: ReadonlyArray<FaultKind> = ["fail", "locked", "slow"];

/** Draws up to `most` faults, at least one, for a job that does so many operations at each port. */
export const drawFaults = (
  seed: number,
  most: number,
  kinds: ReadonlyArray<FaultKind>,
  operations: Readonly<Record<Port, number>>,
): ReadonlyArray<Fault> => {
  const draw = new Seeded(`${seed} faults`);
  const choices = ports.flatMap((port) => {
    const possible = kindsOf[port].filter((kind) => kinds.includes(kind));
    return operations[port] === 0 || possible.length === 0 ? [] : [{ port, possible }];
  });
  if (choices.length === 0 || most === 0) return [];
  return Array.from({ length: 1 + draw.below(most) }, (): Fault => {
    const { port, possible } = draw.pick(choices);
    const kind = draw.pick(possible);
    const fault = { port, index: draw.below(operations[port]), kind };
    return repeats.includes(kind) ? { ...fault, times: 1 + draw.below(timesMax) } : fault;
  });
};
