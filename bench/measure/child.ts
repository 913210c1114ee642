/**
 * Measurements in processes of their own, so that none profits or suffers from another one.
 *
 * @module
 */

/** How a process is run. */
export interface ChildOptions {
  /** Whether it is held to the first core, where there is `taskset`. */
  readonly pinned: boolean;
  /** After how long it is ended, as a failure. */
  readonly timeoutMillis: number;
}

/** That a process has given no measurement. */
export class ChildFailure extends Error {
  override readonly name = "ChildFailure";
}

/** Whether processes can be held to a core here. */
export const canPin = async (): Promise<boolean> => {
  try {
    return (await new Deno.Command("taskset", { args: ["-c", "0", "true"], stdout: "null", stderr: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
};

/** Runs a program and gives the last line that it prints, as JSON. */
export const measureInChild = async (
  command: ReadonlyArray<string>,
  { pinned, timeoutMillis }: ChildOptions,
): Promise<unknown> => {
  const [program, ...args] = pinned ? ["taskset", "-c", "0", ...command] : command;
  const child = new Deno.Command(program, { args, stdout: "piped", stderr: "piped" }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMillis);
  const { success, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  if (!success) {
    const why = signal === "SIGKILL"
      ? `it took more than ${timeoutMillis / 1_000} s`
      : new TextDecoder().decode(stderr);
    throw new ChildFailure(`Cannot measure with ${command.join(" ")}: ${why.trim()}`);
  }
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
};
