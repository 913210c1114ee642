/**
 * A schema registry for tests: Apicurio Registry, which has the API of Confluent's, with its schemas in memory.
 *
 * @module
 */
import { alone, ask, modifiedMillis, target, textOf } from "./kafka.ts";
import { freePort, loopback } from "./ports.ts";

const version = "2.6.13.Final";
const artifact = `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`;
const unpackGoal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack";

/** Where it is unpacked, once. */
const program = `${target}/registry-${version}`;

/** The oldest Java that runs it. */
const javaMin = 17;

/** What it says once it listens. */
const startedLine = "Listening on:";

const startMillisMax = 120_000;
const stopMillisMax = 10_000;
const pollMillis = 100;

/** How many lines of the log an error tells. */
const logLinesMax = 30;

/** Why no schema registry can be started here, in words for a person. */
export class RegistryUnavailable extends Error {
  override readonly name = "RegistryUnavailable";
}

/** A schema registry that runs. */
export interface TestRegistry extends AsyncDisposable {
  /** Where its API begins. */
  readonly url: string;
  /** Ends it. Its schemas are gone. */
  readonly stop: () => Promise<void>;
}

/** Has Maven fetch the registry and unpack it, unless it has done so. */
const fetchRegistry = (): Promise<void> =>
  alone("registry", async () => {
    for (const command of ["java", "mvn"]) {
      if ((await Deno.permissions.query({ name: "run", command })).state !== "granted") {
        throw new RegistryUnavailable(
          `The registry needs Java and Maven, and there is no permission to run "${command}"`,
        );
      }
    }
    const java = await ask("java", ["-version"]);
    if (java === null) {
      throw new RegistryUnavailable(`The registry needs Java ${javaMin} or newer, and there is no command "java"`);
    }
    if (!(Number(/version "(\d+)/.exec(textOf(java))?.[1]) >= javaMin)) {
      throw new RegistryUnavailable(
        `The registry needs Java ${javaMin} or newer, and "java -version" says: ${textOf(java)}`,
      );
    }
    if (await modifiedMillis(program) > 0) return;
    const unpacking = `${program}.new`;
    if (await modifiedMillis(unpacking) > 0) await Deno.remove(unpacking, { recursive: true });
    const maven = await ask("mvn", [
      ...["-q", "-B", unpackGoal],
      ...[`-Dartifact=${artifact}`, `-DoutputDirectory=${unpacking}`, `-Dmdep.overWriteReleases=true`],
      `-DmarkersDirectory=${unpacking}/markers`,
    ]);
    if (maven === null) {
      throw new RegistryUnavailable('The registry is fetched by Maven, and there is no command "mvn"');
    }
    if (!maven.success) throw new RegistryUnavailable(`Maven could not get the registry:\n${textOf(maven)}`);
    await Deno.rename(unpacking, program);
  });

/**
 * Why no schema registry can be started here, or null if one can. It is fetched if it has to be. It says on the console that
 * tests are left out.
 */
export const missingRegistry = async (what: string): Promise<string | null> => {
  try {
    await fetchRegistry();
    return null;
  } catch (error) {
    if (!(error instanceof RegistryUnavailable)) throw error;
    console.error(`Left out: ${what}. ${error.message}`);
    return error.message;
  }
};

/** Registries that run, which this process takes with it if it ends without having stopped them. */
const running = new Set<Deno.ChildProcess>();

globalThis.addEventListener("unload", () => running.forEach((process) => process.kill("SIGKILL")));

const sleep = (millis: number): Promise<void> => new Promise((done) => setTimeout(done, millis));

/** What a program writes, line by line, as it comes. */
const collect = async (output: ReadableStream<Uint8Array>, lines: Array<string>): Promise<void> => {
  let rest = "";
  for await (const text of output.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  }
  lines.push(rest);
};

/**
 * Starts a schema registry on loopback, and waits until it listens. The first start on a machine fetches it and takes
 * longer.
 *
 * @example
 * ```ts
 * await using registry = await startRegistry();
 * const subjects = await (await fetch(`${registry.url}/subjects`)).json();
 * ```
 *
 * @throws {RegistryUnavailable} If Java or Maven is missing, too old or not permitted, or if Maven cannot get it
 */
export const startRegistry = async (): Promise<TestRegistry> => {
  await fetchRegistry();
  const port = freePort();
  const process = new Deno.Command("java", {
    args: [
      ...["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"],
      ...[`-Dquarkus.http.host=${loopback}`, `-Dquarkus.http.port=${port}`],
      ...["-jar", `${program}/apicurio-registry-app-${version}-runner.jar`],
    ],
    cwd: program,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  running.add(process);
  const lines: Array<string> = [];
  const output = Promise.all([collect(process.stdout, lines), collect(process.stderr, lines)]);
  let isRunning = true;
  const ended = process.status.then(() => {
    isRunning = false;
    running.delete(process);
  });
  const stop = async (): Promise<void> => {
    if (isRunning) process.kill("SIGTERM");
    const tooLate = setTimeout(() => isRunning && process.kill("SIGKILL"), stopMillisMax);
    await ended;
    clearTimeout(tooLate);
    await output;
  };
  const began = performance.now();
  while (!lines.some((line) => line.includes(startedLine))) {
    const tookTooLong = performance.now() - began > startMillisMax;
    if (!isRunning || tookTooLong) {
      await stop();
      const rule = tookTooLong ? `it shall listen within ${startMillisMax} ms` : "it ended by itself";
      throw new Error(
        `Cannot start a schema registry as ${rule}: current log is\n${lines.slice(-logLinesMax).join("\n")}`,
      );
    }
    await sleep(pollMillis);
  }
  return { url: `http://${loopback}:${port}/apis/ccompat/v7`, stop, [Symbol.asyncDispose]: stop };
};
