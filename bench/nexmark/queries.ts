/**
 * The queries of Nexmark that Weir's operators answer, on its public API.
 *
 * What each answers is said in words at its oracle (`oracle.ts`). The queries over joins are not here: q3, q4, q6, q8, q9,
 * q13, q20, q23; nor is q10, which is a sink of files.
 *
 * @module
 */
import type { NexmarkQuery } from "./query.ts";
import { q18, q19 } from "./queries/latest-and-greatest.ts";
import { q15, q16, q17 } from "./queries/reports.ts";
import { q0, q1, q14, q2, q21, q22 } from "./queries/stateless.ts";
import { q11, q12, q5, q7 } from "./queries/windows.ts";

/** In the order of their numbers. */
export const queries: ReadonlyArray<NexmarkQuery> = [
  q0,
  q1,
  q2,
  q5,
  q7,
  q11,
  q12,
  q14,
  q15,
  q16,
  q17,
  q18,
  q19,
  q21,
  q22,
];

/** The query of a name. */
export const queryOf = (name: string): NexmarkQuery => {
  const found = queries.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new RangeError(
    `Cannot run a query as it must be one of ${queries.map(({ name }) => name).join(", ")}: current value is ${name}`,
  );
};
