/**
 * Parts of a benchmark that are written in Java: whether a command is there, and whether anything has changed since a build.
 *
 * @module
 */

/** Whether a command is there, and ends well. */
export const succeeds = async (command: string, args: ReadonlyArray<string>): Promise<boolean> => {
  try {
    return (await new Deno.Command(command, { args: [...args], stdout: "null", stderr: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
};

/** When a file was last changed; 0 where there is none. */
export const modifiedMillis = async (url: URL): Promise<number> => {
  try {
    return (await Deno.stat(url)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
};

/** When a source of a Maven project of one package was last changed. */
export const changedMillis = async (folder: URL, name: string): Promise<number> => {
  const sources = new URL(`./src/main/java/${name}/`, folder);
  let latest = await modifiedMillis(new URL("./pom.xml", folder));
  for await (const { name } of Deno.readDir(sources)) {
    latest = Math.max(latest, await modifiedMillis(new URL(`./${name}`, sources)));
  }
  return latest;
};
