/**
 * The error of output that is not what was expected.
 *
 * @module
 */
import type { CheckReport, FoundRows } from "../check-exactly-once.ts";
import { shown } from "../compare-rows.ts";

/** Rows are missing, duplicated, unexpected or out of order; the message shows the first of each kind. */
export class NotExactlyOnce extends Error {
  /** `"NotExactlyOnce"`. */
  override readonly name = "NotExactlyOnce";
  /** `"NotExactlyOnce"`, as other errors have it. */
  readonly _tag = "NotExactlyOnce";
  /** What was found. */
  readonly report: CheckReport;

  /** Made by `checkExactlyOnce`. */
  constructor(report: CheckReport) {
    const { rows, expected, missing, duplicated, unexpected, outOfOrder } = report;
    const kinds = { missing, duplicated, unexpected, "out of order": outOfOrder };
    const counts = Object.entries(kinds).flatMap(([kind, { count }]) => count > 0 ? [`${count} ${kind}`] : []);
    super([
      `Cannot accept the output as every expected row must be there exactly once: current value is ${rows} rows where ` +
      `${expected} were expected, ${counts.join(", ")}`,
      ...Object.entries(kinds).flatMap(([kind, found]) => inLines(kind, found)),
    ].join("\n"));
    this.report = report;
  }
}

const inLines = (kind: string, { count, first }: FoundRows): ReadonlyArray<string> =>
  count === 0 ? [] : [
    `  ${kind}:`,
    ...first.map(({ row, place }) => `    ${place}: ${shown(row)}`),
    ...(count > first.length ? [`    and ${count - first.length} more`] : []),
  ];
