/**
 * What tests do to a broker beside what they test, by KafkaJS.
 *
 * @module
 */
import process from "node:process";
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  type Admin,
  ConfigResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
  type SASLOptions,
} from "kafkajs";

// KafkaJS sets timers to go off in the past, which does no harm, but each program that uses it is warned of it.
const emitWarning = process.emitWarning.bind(process) as (warning: string | Error, ...rest: Array<unknown>) => void;
process.emitWarning = (warning: string | Error, ...rest: Array<unknown>): void => {
  if (rest[0] !== "TimeoutNegativeWarning") emitWarning(warning, ...rest);
};

/** How to come to a broker. */
export interface Access {
  /** Addresses as "host:port". */
  readonly brokers: ReadonlyArray<string>;
  /** How to sign in, where one has to. */
  readonly sasl?: SASLOptions;
  /** The certificate to trust as PEM, where clients come in by TLS. */
  readonly caCertificate?: string | undefined;
}

/** A client that says nothing on the console, and gives up soon. */
export const clientOf = ({ brokers, sasl, caCertificate }: Access): Kafka =>
  new Kafka({
    brokers: [...brokers],
    // A copy, as KafkaJS puts into it what signs in with this very password.
    ...(sasl === undefined ? {} : { sasl: { ...sasl } }),
    ...(caCertificate === undefined ? {} : { ssl: { ca: caCertificate } }),
    logLevel: logLevel.NOTHING,
    retry: { retries: 3, initialRetryTime: 100 },
  });

const withAdmin = async <A>(access: Access, act: (admin: Admin) => Promise<A>): Promise<A> => {
  const admin = clientOf(access).admin();
  try {
    await admin.connect();
    return await act(admin);
  } finally {
    await admin.disconnect();
  }
};

const entriesOf = (settings: Readonly<Record<string, string>>): Array<{ name: string; value: string }> =>
  Object.entries(settings).map(([name, value]) => ({ name, value }));

/** How often it is asked whether a topic that was made has leaders, and after how many milliseconds again. */
const ledAttemptsMax = 200;
const ledPauseMillis = 50;

/**
 * Waits until all partitions of some topics have a leader that knows of it: it may learn of that last. KafkaJS can wait for
 * leaders, too, but takes the first answer, that there is no such topic, for the last.
 */
export const untilLed = async (admin: Admin, topics: Array<string>): Promise<void> => {
  for (let attempt = 1;; attempt++) {
    try {
      const { topics: found } = await admin.fetchTopicMetadata({ topics });
      if (found.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))) {
        for (const topic of topics) await admin.fetchTopicOffsets(topic);
        return;
      }
    } catch (error) {
      if (attempt === ledAttemptsMax) throw error;
    }
    if (attempt === ledAttemptsMax) throw new Error(`Cannot go on as topics must have leaders: ${topics.join(", ")}`);
    await new Promise((done) => setTimeout(done, ledPauseMillis));
  }
};

/** Makes a topic, and waits until its partitions have a leader. Fails if there is one of its name. */
export const createTopic = (
  access: Access,
  topic: string,
  { partitions = 1, settings = {} }: {
    /** @default 1 */
    readonly partitions?: number;
    /** The topic's own settings, such as `{ "cleanup.policy": "compact" }`. */
    readonly settings?: Readonly<Record<string, string>>;
  } = {},
): Promise<void> =>
  withAdmin(access, async (admin) => {
    const wanted = { topic, numPartitions: partitions, replicationFactor: 1, configEntries: entriesOf(settings) };
    if (!await admin.createTopics({ topics: [wanted], waitForLeaders: false })) {
      throw new Error(`Cannot create a topic as its name has to be new: current value is "${topic}"`);
    }
    await untilLed(admin, [topic]);
  });

/** Gives a topic more partitions. */
export const addPartitions = (access: Access, topic: string, partitions: number): Promise<void> =>
  withAdmin(access, async (admin) => {
    await admin.createPartitions({ topicPartitions: [{ topic, count: partitions }] });
  });

/** Removes a topic with everything in it. */
export const deleteTopic = (access: Access, topic: string): Promise<void> =>
  withAdmin(access, (admin) => admin.deleteTopics({ topics: [topic] }));

/** Sets the settings of a topic. Those that are not named go back to their defaults. */
export const alterTopic = (
  access: Access,
  topic: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> =>
  withAdmin(access, async (admin) => {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic, configEntries: entriesOf(settings) };
    await admin.alterConfigs({ validateOnly: false, resources: [resource] });
  });

/** Removes the records of a partition before an offset; all of them before "-1". */
export const deleteRecords = (access: Access, topic: string, partition: number, before: string): Promise<void> =>
  withAdmin(access, async (admin) => {
    // KafkaJS knows the leaders only of topics that it has been asked about.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: before }] });
  });

/** The first offset of each partition of a topic, and the one after its last. */
export const offsetsOf = (
  access: Access,
  topic: string,
): Promise<ReadonlyArray<{ readonly partition: number; readonly low: string; readonly high: string }>> =>
  withAdmin(access, async (admin) => {
    const offsets = await admin.fetchTopicOffsets(topic);
    return offsets.map(({ partition, low, high }) => ({ partition, low, high }))
      .sort((a, b) => a.partition - b.partition);
  });

/** The offsets that a group has committed, by partition; those of partitions for which it has none are left out. */
export const committedOf = (
  access: Access,
  groupId: string,
  topic: string,
): Promise<Readonly<Record<number, string>>> =>
  withAdmin(access, async (admin) => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const committed = partitions.filter(({ offset }) => offset !== "-1");
    return Object.fromEntries(committed.map(({ partition, offset }) => [partition, offset]));
  });

/** Removes a group of consumers with its offsets. It must have no member. */
export const deleteGroup = (access: Access, groupId: string): Promise<void> =>
  withAdmin(access, async (admin) => {
    await admin.deleteGroups([groupId]);
  });

/** What an ACL is about. */
export type Resource = "topic" | "group" | "transactional id" | "cluster";

const resourceTypes: Readonly<Record<Resource, AclResourceTypes>> = {
  topic: AclResourceTypes.TOPIC,
  group: AclResourceTypes.GROUP,
  "transactional id": AclResourceTypes.TRANSACTIONAL_ID,
  cluster: AclResourceTypes.CLUSTER,
};

/** What an ACL allows. */
export type Operation = "all" | "read" | "write" | "describe" | "create" | "idempotent write";

const operationTypes: Readonly<Record<Operation, AclOperationTypes>> = {
  all: AclOperationTypes.ALL,
  read: AclOperationTypes.READ,
  write: AclOperationTypes.WRITE,
  describe: AclOperationTypes.DESCRIBE,
  create: AclOperationTypes.CREATE,
  "idempotent write": AclOperationTypes.IDEMPOTENT_WRITE,
};

/** Allows a user to do something to whatever is named so; "*" is every name, and "kafka-cluster" that of the cluster. */
export const allow = (
  access: Access,
  user: string,
  operation: Operation,
  resource: Resource,
  name: string,
): Promise<void> =>
  withAdmin(access, async (admin) => {
    const acl = {
      principal: `User:${user}`,
      host: "*",
      operation: operationTypes[operation],
      permissionType: AclPermissionTypes.ALLOW,
      resourceType: resourceTypes[resource],
      resourceName: name,
      resourcePatternType: ResourcePatternTypes.LITERAL,
    };
    await admin.createAcls({ acl: [acl] });
  });
