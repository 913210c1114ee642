/**
 * A broker of Apache Kafka for tests: one node that is broker and controller, on loopback, with its data in a temporary
 * folder. It is a process of its own that can be stopped, killed and started again on the same data.
 *
 * @module
 */
import { certificates } from "./certificates.ts";
import {
  alone,
  ask,
  BrokerUnavailable,
  classPath,
  fetchKafka,
  format,
  javaArguments,
  missing,
  modifiedMillis,
  target,
} from "./kafka.ts";
import { freePort, isFree, loopback } from "./ports.ts";
import { propertiesText, type Security, settingsOf, signsIn, type Users, usesTls } from "./settings.ts";

export { BrokerUnavailable, type Security, type Users };

/** What a broker is to be like. */
export interface BrokerOptions {
  /** More lines of `server.properties`, or other values for those that are there. */
  readonly settings?: Readonly<Record<string, string>>;
  /**
   * How clients come in. Where they sign in, they do so by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, and whoever is not a
   * super user may do only what ACLs allow. The certificate of TLS is for 127.0.0.1 and "localhost".
   *
   * @default "plaintext"
   */
  readonly security?: Security;
  /**
   * Who can sign in. Names and passwords consist of letters, digits, `-` and `_`.
   *
   * @default { admin: "admin-secret", alice: "alice-secret" }
   */
  readonly users?: Users;
  /**
   * Whom no ACL can refuse.
   *
   * @default ["admin"]
   */
  readonly superUsers?: ReadonlyArray<string>;
  /**
   * The port on which clients come in.
   *
   * @default A free one. It stays the same over restarts
   */
  readonly port?: number;
  /**
   * The port to which clients are sent by the broker's metadata, such as that of a proxy.
   *
   * @default The one on which it listens
   */
  readonly advertisedPort?: number;
  /**
   * The most that Java's heap takes.
   *
   * @default 512, and 1024 with the profile "bench"
   */
  readonly heapMegabytes?: number;
  /**
   * Whether Java is to start fast, or to be as fast as it can after a while.
   *
   * @default "tests"
   */
  readonly profile?: "tests" | "bench";
  /**
   * The folder of its data, settings and logs. One that is given is kept, and goes on with the data that it has.
   *
   * @default A new one, which is removed in the end
   */
  readonly directory?: string;
}

/** A broker that was started here. */
export interface Broker extends AsyncDisposable {
  /** That it can be stopped, killed and started again. */
  readonly controllable: true;
  /** What to give to a client, as "host:port": where metadata sends it as well. */
  readonly brokers: ReadonlyArray<string>;
  /** The port on which it listens for clients. */
  readonly port: number;
  /** The process that runs now. Throws if none does. */
  readonly pid: number;
  /** The folder of its data, settings and logs. */
  readonly directory: string;
  /** The certificate that clients are to trust, as PEM; undefined without TLS. */
  readonly caCertificate: string | undefined;
  /** Stops it in good order, and waits for its end. */
  stop(): Promise<void>;
  /** Kills it without notice, and waits for its end. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data, and waits until it answers. */
  start(): Promise<void>;
}

/** How long a broker may take until it answers. */
const startMillisMax = 60_000;

/** How long a broker may take until it has stopped. */
const stopMillisMax = 30_000;

/** How long a broker may take to answer one request. */
const answerMillisMax = 5_000;

/** How often it is looked whether a broker has started. */
const pollMillis = 20;

/** How much of a log an error shows. */
const logLinesMax = 40;

/** How often a broker is made whose ports somebody else has taken meanwhile. */
const portAttemptsMax = 5;

/** What a broker logs when it cannot listen at a port. */
const portTakenLine = "Address already in use";

/** What a broker logs when it has started. */
const startedLine = "Kafka Server started";

/** Classes as Java keeps them after a first run, which halves the time of a start. Java leaves it alone if it is stale. */
const archive = `${target}/classes.jsa`;

/**
 * How soon a broker of tests is taken for dead. Its controller refuses one that was killed and comes again as long as
 * the one before counts as alive, which is 9 seconds by default. A busy machine must not stall a broker for so long.
 */
const quickReturn: Readonly<Record<string, string>> = {
  "broker.session.timeout.ms": "2000",
  "broker.heartbeat.interval.ms": "200",
};

const sleep = (millis: number): Promise<void> => new Promise((done) => setTimeout(done, millis));

/** What Java is told, by what the broker is for. What it is told with "bench" is what Kafka's own scripts tell it. */
const javaSettings = (profile: "tests" | "bench", heapMegabytes: number): ReadonlyArray<string> => [
  `-Xmx${heapMegabytes}m`,
  ...(profile === "tests" ? ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"] : [
    `-Xms${heapMegabytes}m`,
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
  ]),
  "-XX:-UsePerfData",
  "-Djava.awt.headless=true",
  // Java has much to say of classes that it cannot keep.
  "-Xlog:disable",
];

/** What is logged: warnings, and the line that says that it has started. */
const logSettings = (file: string): ReadonlyArray<string> => [
  `-Dorg.slf4j.simpleLogger.logFile=${file}`,
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
  "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
  "-Dorg.slf4j.simpleLogger.showDateTime=true",
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
];

/** The words that have Linux stop a program when this process is gone, however it ended. */
const boundToParent: ReadonlyArray<string> = ["setpriv", "--pdeathsig", "TERM"];

let bound: Promise<boolean> | undefined;

/** Whether programs can be bound to this process: there is such a system and program, and the permission to run it. */
const canBind = (): Promise<boolean> =>
  bound ??= (async () => {
    if (Deno.build.os !== "linux") return false;
    if ((await Deno.permissions.query({ name: "run", command: boundToParent[0] })).state !== "granted") return false;
    return (await ask(boundToParent[0], [...boundToParent.slice(1), "true"]))?.success ?? false;
  })();

/** Starts `java`, so that it ends with this process where that can be had. */
const spawnJava = async (args: ReadonlyArray<string>): Promise<Deno.ChildProcess> => {
  const [command, ...rest] = [...(await canBind() ? boundToParent : []), "java", ...args];
  try {
    return new Deno.Command(command, { args: rest, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw missing("java");
  }
};

/** One life of a broker's process. */
interface Run {
  readonly process: Deno.ChildProcess;
  readonly log: string;
  /** What it has written beside its log, at its end. */
  readonly complaints: Promise<string>;
  ended: boolean;
}

/** The request of any client that asks what a server can do: version 0, correlation 1, no name. */
const apiVersionsRequest = Uint8Array.of(0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255);

/** Whether a server answers a request of Kafka's. */
const answers = async (port: number, caCertificate: string | undefined): Promise<boolean> => {
  const address = { hostname: loopback, port };
  try {
    using connection = caCertificate === undefined
      ? await Deno.connect(address)
      : await Deno.connectTls({ ...address, caCerts: [caCertificate] });
    const tooLate = setTimeout(() => connection[Symbol.dispose](), answerMillisMax);
    try {
      await connection.write(apiVersionsRequest);
      return await connection.read(new Uint8Array(64)) !== null;
    } finally {
      clearTimeout(tooLate);
    }
  } catch (error) {
    const { ConnectionRefused, ConnectionReset, BadResource, Interrupted } = Deno.errors;
    if ([ConnectionRefused, ConnectionReset, BadResource, Interrupted].some((kind) => error instanceof kind)) {
      return false;
    }
    throw error;
  }
};

/** What is to be killed and removed if this process ends without having disposed of it. */
const left = new Set<() => void>();

globalThis.addEventListener("unload", () => left.forEach((end) => end()));

/** Names and passwords that mean the same in every syntax that they are written in. */
const plainWord = /^[\w-]+$/;

/** A broker as its settings say, which does not run yet. */
class LocalBroker implements Broker {
  readonly controllable = true;
  readonly brokers: ReadonlyArray<string>;
  #run: Run | undefined;
  #runs = 0;

  constructor(
    readonly directory: string,
    readonly port: number,
    advertisedPort: number,
    readonly java: ReadonlyArray<string>,
    readonly keepsDirectory: boolean,
    readonly caCertificate: string | undefined,
  ) {
    this.brokers = [`${loopback}:${advertisedPort}`];
    left.add(this.#leave);
  }

  get pid(): number {
    return this.#running("tell its process").process.pid;
  }

  async start(): Promise<void> {
    if (this.#run !== undefined && !this.#run.ended) {
      throw new Error(`Cannot start a broker as it runs already: current value is process ${this.#run.process.pid}`);
    }
    if (!isFree(this.port)) {
      throw new Error(`Cannot start a broker as its port has to be free: current value is ${this.port}`);
    }
    const log = `${this.directory}/broker-${++this.#runs}.log`;
    // There may be one of an earlier life, with the line that is waited for.
    await Deno.writeTextFile(log, "");
    const process = await spawnJava(
      await javaArguments([...this.java, ...logSettings(log)], "kafka.Kafka", [`${this.directory}/server.properties`]),
    );
    const run: Run = { process, log, complaints: new Response(process.stderr).text(), ended: false };
    process.status.then(() => run.ended = true);
    this.#run = run;
    const began = performance.now();
    while (!(await Deno.readTextFile(log)).includes(startedLine) || !await answers(this.port, this.caCertificate)) {
      if (run.ended) {
        throw new Error(`Cannot start a broker as it ended by itself: current log is\n${await this.#tell()}`);
      }
      if (performance.now() - began > startMillisMax) {
        await this.kill();
        throw new Error(
          `Cannot start a broker as it shall answer within ${startMillisMax} ms: current log is\n${await this.#tell()}`,
        );
      }
      await sleep(pollMillis);
    }
  }

  async stop(): Promise<void> {
    this.#running("stop a broker");
    this.#signal("SIGTERM");
    let tookTooLong = false;
    const tooLate = setTimeout(() => {
      tookTooLong = true;
      this.#signal("SIGKILL");
    }, stopMillisMax);
    await this.#end();
    clearTimeout(tooLate);
    if (tookTooLong) {
      throw new Error(
        `Cannot stop a broker as it shall end within ${stopMillisMax} ms: current log is\n${await this.#tell()}`,
      );
    }
  }

  async kill(): Promise<void> {
    this.#running("kill a broker");
    this.#signal("SIGKILL");
    await this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#run !== undefined) {
      if (this.#run.ended) await this.#end();
      else await (this.keepsDirectory ? this.stop() : this.kill());
    }
    if (!this.keepsDirectory) await Deno.remove(this.directory, { recursive: true });
    left.delete(this.#leave);
  }

  readonly #leave = (): void => {
    this.#signal(this.keepsDirectory ? "SIGTERM" : "SIGKILL");
    if (!this.keepsDirectory) Deno.removeSync(this.directory, { recursive: true });
  };

  #running(action: string): Run {
    if (this.#run === undefined || this.#run.ended) {
      throw new Error(
        `Cannot ${action} as it has to run: current value is ${this.#run === undefined ? "new" : "ended"}`,
      );
    }
    return this.#run;
  }

  /** Sends a signal, unless there is nobody to take it. A key that stops this process may have stopped the broker too. */
  #signal(signal: Deno.Signal): void {
    if (this.#run === undefined || this.#run.ended) return;
    try {
      this.#run.process.kill(signal);
    } catch (error) {
      // It has ended, and word of that is under way.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Waits for the end of the process, and of what it has to say. */
  async #end(): Promise<void> {
    await this.#run?.process.status;
    await this.#run?.complaints;
  }

  /** The end of the log without traces, and what the process has written beside it. It has to have ended. */
  async #tell(): Promise<string> {
    if (this.#run === undefined) return "";
    const lines = `${await Deno.readTextFile(this.#run.log)}${await this.#run.complaints}`.trimEnd().split("\n");
    return lines.filter((line) => !/^\s+(at|\.\.\.) /.test(line)).slice(-logLinesMax).join("\n");
  }
}

/** Makes a folder for a broker, and what it needs to be started there. */
const makeBroker = async (options: BrokerOptions, java: ReadonlyArray<string>): Promise<LocalBroker> => {
  const { security = "plaintext", users = { admin: "admin-secret", alice: "alice-secret" }, superUsers = ["admin"] } =
    options;
  for (const word of signsIn(security) ? Object.entries(users).flat() : []) {
    if (!plainWord.test(word)) {
      throw new Error(
        `Cannot start a broker as names and passwords consist of letters, digits, "-" and "_": current value is "${word}"`,
      );
    }
  }
  const { keyStore = null, caCertificate } = usesTls(security) ? await certificates() : {};
  await Deno.mkdir(`${target}/runs`, { recursive: true });
  const directory = options.directory ?? await Deno.makeTempDir({ dir: `${target}/runs` });
  const data = `${directory}/data`;
  if (await modifiedMillis(`${data}/meta.properties`) === 0) await format(data, signsIn(security) ? users : {});
  const client = options.port ?? freePort();
  const ports = { client, advertised: options.advertisedPort ?? client, internal: freePort(), controller: freePort() };
  await Deno.writeTextFile(
    `${directory}/server.properties`,
    propertiesText({
      ...settingsOf({ data, ports, security, users, superUsers, keyStore }),
      ...(options.profile === "bench" ? {} : quickReturn),
      ...options.settings,
    }),
  );
  return new LocalBroker(directory, client, ports.advertised, java, options.directory !== undefined, caCertificate);
};

/** Has Java keep the classes that a broker uses, unless it has done so since Kafka was fetched. */
const keepClasses = (): Promise<void> =>
  alone("classes", async () => {
    if (await modifiedMillis(archive) > await modifiedMillis(classPath)) return;
    const making = `${archive}.new`;
    await using broker = await makeBroker({}, [...javaSettings("tests", 512), `-XX:ArchiveClassesAtExit=${making}`]);
    await broker.start();
    await broker.stop();
    await Deno.rename(making, archive);
  });

/**
 * Starts a broker, and waits until it answers. The first start on a machine fetches Kafka and takes longer.
 *
 * @example
 * ```ts
 * await using broker = await startBroker({ settings: { "message.max.bytes": "2000" } });
 * const kafka = new Kafka({ brokers: [...broker.brokers] });
 * ```
 *
 * @throws {BrokerUnavailable} If Java or Maven is missing or too old, or if Maven cannot get the artifacts
 */
export const startBroker = async (options: BrokerOptions = {}): Promise<Broker> => {
  const { profile = "tests", heapMegabytes = profile === "tests" ? 512 : 1_024 } = options;
  await fetchKafka();
  await keepClasses();
  const java = [...javaSettings(profile, heapMegabytes), `-XX:SharedArchiveFile=${archive}`];
  for (let attempt = 1;; attempt++) {
    const broker = await makeBroker(options, java);
    try {
      await broker.start();
      return broker;
    } catch (error) {
      await broker[Symbol.asyncDispose]();
      // A port was free when it was chosen; Java takes a second to get as far as to listen there.
      const isTaken = options.port === undefined && `${error}`.includes(portTakenLine);
      if (!isTaken || attempt === portAttemptsMax) throw error;
    }
  }
};
