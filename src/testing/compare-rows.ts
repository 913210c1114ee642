/**
 * Comparing what two runs have written.
 *
 * @module
 */

/** How two lists of rows differ. */
export interface Difference {
  /** How many of the expected rows are not there. */
  readonly missing: number;
  /** How many rows are there more often than expected. */
  readonly repeated: number;
  /** How many rows are there that nobody expected. */
  readonly unexpected: number;
  /** The first row, counted from 1, at which the two differ. */
  readonly row: number;
  /** What is expected there, and what is there; undefined behind the end. */
  readonly expected: string | undefined;
  readonly got: string | undefined;
}

/** How rows differ from those that are expected; null where they are the same, in the same order. */
export const compareRows = (expected: ReadonlyArray<string>, got: ReadonlyArray<string>): Difference | null => {
  const length = Math.max(expected.length, got.length);
  let index = 0;
  while (index < length && expected[index] === got[index]) index++;
  if (index === length) return null;
  const counts = new Map<string, number>();
  for (const row of expected) counts.set(row, (counts.get(row) ?? 0) + 1);
  let repeated = 0;
  let unexpected = 0;
  for (const row of got) {
    const count = counts.get(row);
    if (count === undefined) unexpected++;
    else if (count === 0) repeated++;
    else counts.set(row, count - 1);
  }
  const missing = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return { missing, repeated, unexpected, row: index + 1, expected: expected[index], got: got[index] };
};

/** Whether only the order differs. */
export const isOrder = ({ missing, repeated, unexpected }: Difference): boolean =>
  missing + repeated + unexpected === 0;

/** How many characters of a row are shown. */
const shownCharactersMax = 200;

/** A row as it is shown. */
export const shown = (row: string | undefined): string =>
  row === undefined ? "none" : row.length <= shownCharactersMax ? row : `${row.slice(0, shownCharactersMax)}…`;

/** A difference in words: how many rows of which kind, and the first place. */
export const differenceInWords = (difference: Difference, expectedRows: number, gotRows: number): string => {
  const { missing, repeated, unexpected, row, expected, got } = difference;
  const kinds = [
    missing > 0 ? `${missing} missing` : "",
    repeated > 0 ? `${repeated} repeated` : "",
    unexpected > 0 ? `${unexpected} unexpected` : "",
  ].filter((kind) => kind !== "");
  const what = isOrder(difference) ? "the same rows in another order" : kinds.join(", ");
  const rows = gotRows === expectedRows ? `${gotRows} rows` : `${gotRows} rows instead of ${expectedRows}`;
  return `${rows}: ${what}; first at row ${row}: expected ${shown(expected)}, got ` +
    shown(got);
};

/** How many digits of a fraction count where sums may be rounded otherwise. */
const digits = 9;

/** A row whose fractions are as good as equal to those that were added up in another order. */
export const roughly = (row: string): string =>
  row.replaceAll(/-?\d+\.\d+(?:e[+-]?\d+)?/g, (number) => String(Number(Number(number).toPrecision(digits))));
