/**
 * Apache Flink as a peer: builds the Java part if it is older than its sources, and says how a run of it is started.
 *
 * @module
 */

import { changedMillis, modifiedMillis, succeeds } from "../measure/java-part.ts";

const folder = new URL("./flink/", import.meta.url);
const target = new URL("./target/", folder);
const pathOf = (url: URL): string => decodeURIComponent(url.pathname);

/** Why Flink cannot be run here, in words for a person. */
export class FlinkUnavailable extends Error {
  override readonly name = "FlinkUnavailable";
}

/**
 * Builds the Java part with Maven, unless what was built last is newer than every source.
 *
 * @throws {FlinkUnavailable} If Java or Maven is missing, or if Maven cannot build
 */
export const buildFlink = async (): Promise<void> => {
  if (!(await succeeds("java", ["-version"]))) {
    throw new FlinkUnavailable("Flink needs Java 17 or newer, and there is no command `java`");
  }
  // The folder of the classes is touched last by a build, and only by one that came to its end.
  const built = new URL("./built", target);
  if (await modifiedMillis(built) > await changedMillis(folder, "nexmark")) return;
  if (!(await succeeds("mvn", ["-version"]))) {
    throw new FlinkUnavailable("The Java part is built by Maven, and there is no command `mvn`");
  }
  const { success, stdout } = await new Deno.Command("mvn", {
    args: ["-q", "-B", "-f", pathOf(new URL("./pom.xml", folder)), "clean", "process-classes"],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) {
    throw new FlinkUnavailable(`Maven could not build the Java part:\n${new TextDecoder().decode(stdout)}`);
  }
  await Deno.writeTextFile(built, "");
};

/** How much memory Java's heap has from its start, so that it is not measured while it grows. */
const heapMebibytes = 3_072;

/** Java's settings: those that Flink's own scripts give it, a heap of one size, and the collector with the least to do. */
export const javaSettings: ReadonlyArray<string> = [
  `-Xms${heapMebibytes}m`,
  `-Xmx${heapMebibytes}m`,
  "-XX:+UseParallelGC",
  "-XX:-UsePerfData",
  "--add-opens=java.base/java.lang=ALL-UNNAMED",
  "--add-opens=java.base/java.net=ALL-UNNAMED",
  "--add-opens=java.base/java.nio=ALL-UNNAMED",
  "--add-opens=java.base/java.util=ALL-UNNAMED",
  "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
  "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
  "--add-opens=java.base/java.time=ALL-UNNAMED",
  "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
];

/** The command that runs a class of what was built. */
export const javaCommand = async (main: string, options: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const libraries = (await Deno.readTextFile(new URL("./classpath.txt", target))).trim();
  const classes = pathOf(new URL("./classes/", target));
  return ["java", ...javaSettings, "-cp", `${classes}:${libraries}`, main, ...options];
};

/** The command that runs queries on Flink. */
export const flinkCommand = (options: ReadonlyArray<string>): Promise<ReadonlyArray<string>> =>
  javaCommand("nexmark.Main", options);
