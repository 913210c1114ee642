/**
 * Apache Kafka's own programs, from Maven's artifacts: what is made once and kept in `target/`, and how they are run.
 *
 * @module
 */
import { propertiesText, settingsOf, type Users } from "./settings.ts";

const folder = new URL("./", import.meta.url);
const pathOf = (url: URL): string => decodeURIComponent(url.pathname).replace(/\/$/, "");

/** Where everything is kept that can be made again. */
export const target: string = pathOf(new URL("./target/", folder));

const pom = pathOf(new URL("./pom.xml", folder));
/** The file with the class path of Kafka. */
export const classPath: string = `${target}/classpath.txt`;
/** Written last, as Maven leaves the class path alone if it is the same as before. */
const fetched = `${target}/fetched`;

/** The oldest Java that runs this Kafka's broker. */
const javaMin = 17;

/** Why no broker can be started here, in words for a person. */
export class BrokerUnavailable extends Error {
  override readonly name = "BrokerUnavailable";
}

/** That a command is missing. */
export const missing = (command: string): BrokerUnavailable =>
  new BrokerUnavailable(
    `Kafka needs Java ${javaMin} or newer and Maven, and there is no command "${command}" that may be run`,
  );

const decoder = new TextDecoder();

/** What a program says and how it ended, or null if there is no such program. */
export const ask = async (command: string, args: ReadonlyArray<string>): Promise<Deno.CommandOutput | null> => {
  try {
    return await new Deno.Command(command, { args: [...args], stdin: "null" }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
};

/** Everything that a program has said. */
export const textOf = ({ stdout, stderr }: Deno.CommandOutput): string =>
  `${decoder.decode(stdout)}${decoder.decode(stderr)}`.trim();

/** When a file was last changed; 0 if there is none. */
export const modifiedMillis = async (path: string): Promise<number> => {
  try {
    return (await Deno.stat(path)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
};

/** Makes something in `target/` while nobody else makes it, in this process or in another. */
export const alone = async <A>(name: string, make: () => Promise<A>): Promise<A> => {
  await Deno.mkdir(target, { recursive: true });
  using lock = await Deno.open(`${target}/${name}.lock`, { create: true, write: true });
  await lock.lock(true);
  return await make();
};

/** Fails if there is no such command, or none that this program may run; Deno does not tell one from the other. */
const demand = async (command: string): Promise<void> => {
  if ((await Deno.permissions.query({ name: "run", command })).state !== "granted") throw missing(command);
};

/**
 * Has Maven fetch Kafka, unless it has done so since the POM was changed.
 *
 * @throws {BrokerUnavailable} If Java or Maven is missing, too old or not permitted, or if the artifacts cannot be had
 */
export const fetchKafka = async (): Promise<void> => {
  await demand("java");
  await alone("fetching", async () => {
    if (await modifiedMillis(fetched) > await modifiedMillis(pom)) return;
    await demand("mvn");
    const java = await ask("java", ["-version"]);
    if (java === null) throw missing("java");
    const version = Number(/version "(\d+)/.exec(textOf(java))?.[1]);
    if (!(version >= javaMin)) {
      throw new BrokerUnavailable(`Kafka needs Java ${javaMin} or newer, and "java -version" says: ${textOf(java)}`);
    }
    const maven = await ask("mvn", ["-q", "-B", "-f", pom, "process-resources"]);
    if (maven === null) throw missing("mvn");
    if (!maven.success) throw new BrokerUnavailable(`Maven could not get the artifacts of Kafka:\n${textOf(maven)}`);
    await Deno.writeTextFile(fetched, "");
  });
};

/** What a short run of Java's is given: to start fast is all that counts. */
const shortRun: ReadonlyArray<string> = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"];

/** The arguments of `java` that run a class of Kafka's. */
export const javaArguments = async (
  settings: ReadonlyArray<string>,
  main: string,
  options: ReadonlyArray<string>,
): Promise<ReadonlyArray<string>> => {
  const libraries = (await Deno.readTextFile(classPath)).trim();
  return [...settings, "-cp", libraries, main, ...options];
};

/** Sixteen random bytes as Kafka writes them. */
const randomId = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const copyFolder = async (from: string, to: string): Promise<void> => {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
};

/**
 * Formats a folder for a broker's data, with users who can sign in by SCRAM. Kafka's own tool does so once for given
 * users, which takes a second. What it has made is kept and copied, with new ids of cluster and folder, so that no two
 * clusters are the same one to a client.
 */
export const format = async (data: string, users: Users): Promise<void> => {
  const scram = Object.entries(users).flatMap(([name, password]) =>
    ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((kind) => ["--add-scram", `${kind}=[name=${name},password=${password}]`])
  );
  const libraries = await Deno.readTextFile(classPath);
  const key = new TextEncoder().encode(JSON.stringify([scram, libraries]));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", key)).toHex().slice(0, 16);
  const kept = `${target}/formatted/${hash}`;
  await alone("formatting", async () => {
    if (await modifiedMillis(kept) > 0) return;
    const making = `${target}/formatting`;
    const properties = `${target}/formatting.properties`;
    if (await modifiedMillis(making) > 0) await Deno.remove(making, { recursive: true });
    await Deno.mkdir(making);
    const ports = { client: 1, advertised: 1, internal: 2, controller: 3 };
    const settings = settingsOf({
      data: making,
      ports,
      security: "plaintext",
      users: {},
      superUsers: [],
      keyStore: null,
    });
    await Deno.writeTextFile(properties, propertiesText(settings));
    const made = await ask(
      "java",
      await javaArguments(shortRun, "kafka.tools.StorageTool", [
        // In one word, as an id that begins with "-" would be taken for an option.
        ...["format", `--cluster-id=${randomId()}`, "--config", properties],
        ...scram,
      ]),
    );
    if (made === null) throw missing("java");
    if (!made.success) throw new Error(`Kafka's storage tool could not format a folder:\n${textOf(made)}`);
    await Deno.mkdir(`${target}/formatted`, { recursive: true });
    await Deno.rename(making, kept);
  });
  await copyFolder(kept, data);
  await Deno.writeTextFile(
    `${data}/meta.properties`,
    `version=1\nnode.id=1\ncluster.id=${randomId()}\ndirectory.id=${randomId()}\n`,
  );
};
