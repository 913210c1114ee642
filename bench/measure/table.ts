/**
 * A table in plain text.
 *
 * @module
 */

/** Lines of a table whose first column is text and whose others are numbers, which stand at the right. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])).join("  ")
  ).join("\n");
};

/** A number of things, with a prefix: `1.24 M`. */
export const inPrefixes = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toFixed(2)} G`;
  if (size >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (size >= 1e4) return `${(value / 1e3).toFixed(0)} k`;
  if (size >= 1e3) return `${(value / 1e3).toFixed(1)} k`;
  return value.toFixed(0);
};

/** A duration in milliseconds, with as many digits as mean something. */
export const inMillis = (millis: number): string => millis >= 100 ? millis.toFixed(0) : millis.toPrecision(2);
