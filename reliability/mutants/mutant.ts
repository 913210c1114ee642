/**
 * A mutant: the program with one thing taken out that a promise depends on. Tests that do not notice are not worth much.
 *
 * @module
 */

/** The program with one piece of text replaced. */
export interface Mutant {
  /** What `--only` calls it. */
  readonly name: string;
  /** What no longer holds: the promise that it breaks. */
  readonly breaks: string;
  /** The file, from the root of the project. */
  readonly file: string;
  /** The text that is replaced. The file holds it exactly once. */
  readonly before: string;
  /** What stands there instead. */
  readonly after: string;
  /** The tests that are likely to notice: they are run first. */
  readonly likely: ReadonlyArray<string>;
}

/**
 * The text of a file with a mutant in it.
 *
 * @throws {RangeError} If the file does not hold the replaced text exactly once: the code has moved on.
 */
export const mutate = ({ name, file, before, after }: Mutant, text: string): string => {
  const times = text.split(before).length - 1;
  if (times !== 1) {
    throw new RangeError(`Cannot make mutant "${name}" as ${file} must hold its text once: current value is ${times}`);
  }
  // A function, so that a dollar sign is a dollar sign.
  return text.replace(before, () => after);
};
