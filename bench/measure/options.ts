/**
 * The options of a command: a wrong one ends it with a line that says so.
 *
 * @module
 */

/** Ends the program, as it was called wrongly. */
export const refuse = (message: string): never => {
  console.error(message);
  Deno.exit(2);
};

/** The number that an option stands for. */
export const numberOption = (
  values: Readonly<Record<string, string | boolean | undefined>>,
  option: string,
  min: number,
): number => {
  const value = Number(values[option]);
  return value >= min ? value : refuse(`--${option} takes a number from ${min} on: current value is ${values[option]}`);
};

/** The one of some words that an option stands for. */
export const wordOption = <Word extends string>(
  values: Readonly<Record<string, string | boolean | undefined>>,
  option: string,
  words: ReadonlyArray<Word>,
): Word =>
  words.find((word) => word === values[option]) ??
    refuse(`--${option} takes one of ${words.join(", ")}: current value is ${values[option]}`);
