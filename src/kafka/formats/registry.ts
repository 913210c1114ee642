/**
 * Formats whose schemas lie in a schema registry, as Confluent's serializers write them: a zero byte, the id of the schema
 * that a value was written with as four bytes, and the value.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { type Duration, Effect, Redacted } from "effect";
import { Undecodable, valueDecoder } from "../../streams/sources/formats/value-decoder.ts";
import { inWords } from "../../windows/in-words.ts";
import { atLeastOne, millisOf } from "../../windows/millis-of.ts";
import { schemaWords } from "../../windows/schema-words.ts";
import type { Codec, Format } from "../format.ts";
import { jsonSchemaOf } from "./registry/json-schema.ts";
import { RegistrySchemas, type SchemaType, typeNames } from "./registry/schemas.ts";

/** What {@link schemaRegistry} is told. */
export interface SchemaRegistryOptions {
  /**
   * Where it is, such as `http://127.0.0.1:8081`; a path may follow. A name and password in it are used as `auth` is, and
   * appear in no message.
   */
  readonly url: string;
  /**
   * Who we say we are. Use it over HTTPS only.
   *
   * @default {undefined} Nobody.
   */
  readonly auth?: {
    /** Who. */
    readonly username: string;
    /** The secret; in no log and no error. */
    readonly password: Redacted.Redacted<string>;
  };
  /**
   * How long a schema may take to be loaded, looked up or registered, with all that is tried again meanwhile.
   *
   * @default {"10 seconds"}
   */
  readonly timeout?: Duration.Input;
  /**
   * How many schemas are kept; those that are in use are kept even if they are more.
   *
   * @default {1_000}
   */
  readonly schemasMax?: number;
}

/** Bounds that hold unless a registry says otherwise. */
export const schemaRegistryDefaults = { timeoutMillis: 10_000, schemasMax: 1_000 } as const;

/** A schema registry. Formats that are given the same one load each schema once. */
export interface SchemaRegistry {
  /** Where it is, without credentials. */
  readonly url: string;
}

const schemasOf = new WeakMap<SchemaRegistry, RegistrySchemas>();

/**
 * Describes a schema registry with the API of Confluent's, for {@link avro} and {@link jsonSchema}.
 *
 * Nothing is asked until a job needs a schema. It needs `--allow-net` for the registry. A registry that cannot be reached,
 * and what it refuses, are errors of the job that runs (`KafkaError` with the code `SCHEMA_REGISTRY`).
 *
 * @throws {RangeError} If an option is out of its range.
 *
 * @example
 * ```ts
 * import { Redacted } from "effect";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const local = Kafka.schemaRegistry({ url: "http://127.0.0.1:8081" });
 * const hosted = Kafka.schemaRegistry({
 *   url: "https://schemas.example.com",
 *   auth: { username: "weir", password: Redacted.make("from the environment") },
 *   timeout: "5 seconds",
 * });
 * ```
 */
export function schemaRegistry(options: SchemaRegistryOptions): SchemaRegistry {
  const action = "describe a schema registry";
  const refuse = (rule: string, current: string): never => {
    throw new RangeError(`Cannot ${action} as ${rule}: current value is ${current}`);
  };
  const { auth, schemasMax = schemaRegistryDefaults.schemasMax } = options;
  const parsed = URL.parse(options.url);
  // What is no URL may hold a password nevertheless.
  if (parsed === null) return refuse("url must be a URL such as http://127.0.0.1:8081", "another text");
  const { protocol, host, pathname, username, password, search, hash } = parsed;
  const url = `${protocol}//${host}${pathname.replace(/\/+$/, "")}`;
  if (protocol !== "http:" && protocol !== "https:") {
    refuse("url must begin with http:// or https://", inWords(protocol));
  }
  if (search !== "" || hash !== "") refuse("url must end with its path", "a URL with a query or a fragment");
  if (auth !== undefined && !Redacted.isRedacted(auth.password)) {
    refuse("auth.password must be Redacted", typeof auth.password);
  }
  const isInUrl = username !== "" || password !== "";
  if (auth !== undefined && isInUrl) refuse("it must say once who we are", "auth and a URL with a name");
  if (!Number.isSafeInteger(schemasMax) || schemasMax < 1) {
    refuse("schemasMax must be a whole number above 0", inWords(schemasMax));
  }
  const timeoutMillis = millisOf(
    action,
    "timeout",
    options.timeout ?? schemaRegistryDefaults.timeoutMillis,
    atLeastOne,
  );
  const credentials = auth !== undefined
    ? () => `${auth.username}:${Redacted.value(auth.password)}`
    : isInUrl
    ? () => `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    : null;
  const authorization = () =>
    credentials === null ? null : `Basic ${new TextEncoder().encode(credentials()).toBase64()}`;
  const registry: SchemaRegistry = { url };
  schemasOf.set(registry, new RegistrySchemas({ url, authorization, timeoutMillis, schemasMax }));
  return registry;
}

/** What formats of a registry have in common. */
export interface RegistryFormatOptions<A, I> {
  /** Where the schemas are. */
  readonly registry: SchemaRegistry;
  /** What becomes of a value that was read, and what is written of one. It must work without services and without waiting. */
  readonly schema: Schema.ConstraintCodec<A, I>;
  /**
   * The subject whose schema values are written with.
   *
   * @default {undefined} The topic, with `-value` or `-key` behind it.
   */
  readonly subject?: string;
  /**
   * Whether the schema is registered when a sink starts, unless the subject has it. Otherwise it is only looked up, and that
   * the subject does not have it is an error: what may be written is then decided elsewhere, as is usual in production.
   *
   * @default {false}
   */
  readonly register?: boolean;
}

/** What {@link avro} is told. */
export interface AvroOptions<A, I> extends RegistryFormatOptions<A, I> {
  /**
   * The Avro schema that values are written with, as the value of its JSON. Reading does not need it: values are read by the
   * schema that they were written with.
   *
   * @default {undefined} The latest version of the subject.
   */
  readonly avro?: object | undefined;
}

/** What {@link jsonSchema} is told. */
export interface JsonSchemaOptions<A, I> extends RegistryFormatOptions<A, I> {
  /**
   * The JSON schema that values are written with. Reading does not need it: values are checked by the schema that they were
   * written with.
   *
   * @default {undefined} The one of `schema`, as draft 7, where it is registered; else the latest version of the subject.
   */
  readonly jsonSchema?: object | undefined;
}

/**
 * Avro, by a schema in a registry.
 *
 * A value is read by the schema that it was written with, and then decoded by `schema`, which thereby is what says how older
 * and newer values are read: give fields that some do not have a default, or make them optional.
 *
 * Records and maps are plain objects, enums are texts, and `bytes` and `fixed` are `Uint8Array`s. A `long` is a number where
 * that is exact, and else a bigint. Logical types are what they lie in: a `timestamp-millis` is a number. Where a union has
 * branches that JavaScript does not tell apart, such as two records or two kinds of numbers, a value is an object with the
 * name of its branch, such as `{ long: 4 }` or `{ "shop.Card": { … } }`, as in Avro's JSON.
 *
 * A null value (a tombstone) is none of its values: see `Kafka.nullable`. A record whose schema the registry does not know
 * cannot be decoded; it is asked for such a schema again after a second at the earliest. That the registry cannot be reached
 * is an error of the job.
 *
 * @throws {TypeError} If there is no schema to register.
 *
 * @example
 * ```ts
 * import * as Schema from "@effect/schema";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const registry = Kafka.schemaRegistry({ url: "http://127.0.0.1:8081" });
 * const ride = Kafka.avro({
 *   registry,
 *   schema: Schema.Struct({ id: Schema.String, meters: Schema.Number }),
 *   avro: {
 *     type: "record",
 *     name: "Ride",
 *     fields: [{ name: "id", type: "string" }, { name: "meters", type: "long" }],
 *   },
 * });
 * ```
 */
export function avro<A, I>(options: AvroOptions<A, I>): Format<A> {
  if (options.register === true && options.avro === undefined) {
    throw new TypeError("Cannot register a schema as avro must be given: current value is undefined");
  }
  return registryFormat("avro", "AVRO", options, options.avro);
}

/**
 * JSON, by a JSON schema in a registry.
 *
 * A value is checked by the schema that it was written with, and then decoded by `schema`. Drafts from 6 on are understood;
 * `format` is not checked.
 *
 * A null value (a tombstone) is none of its values: see `Kafka.nullable`. A record whose schema the registry does not know
 * cannot be decoded; it is asked for such a schema again after a second at the earliest. That the registry cannot be reached
 * is an error of the job.
 *
 * @throws {Error} If `schema` is to be registered and has no form as a JSON schema of draft 7.
 *
 * @example
 * ```ts
 * import * as Schema from "@effect/schema";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const registry = Kafka.schemaRegistry({ url: "http://127.0.0.1:8081" });
 * const visit = Kafka.jsonSchema({
 *   registry,
 *   schema: Schema.Struct({ page: Schema.String }),
 *   subject: "visits",
 *   register: true, // the schema of the struct
 * });
 * ```
 */
export function jsonSchema<A, I>(options: JsonSchemaOptions<A, I>): Format<A> {
  const given = options.jsonSchema ?? (options.register === true ? jsonSchemaOf(options.schema) : undefined);
  return registryFormat("json-schema", "JSON", options, given);
}

const registryFormat = <A, I>(
  name: string,
  type: SchemaType,
  { registry, schema, subject, register = false }: RegistryFormatOptions<A, I>,
  given: object | undefined,
): Format<A> => {
  const schemas = schemasOf.get(registry);
  if (schemas === undefined) {
    throw new TypeError(
      `Cannot describe the format "${name}" as registry must come from Kafka.schemaRegistry: current value is ${typeof registry}`,
    );
  }
  const text = given === undefined ? null : JSON.stringify(given);
  const { decodeValue } = valueDecoder(schema as Schema.ConstraintDecoder<A>);
  const prepare = encodingBy(schema);
  const reading: Omit<Codec<A>, "encode"> = {
    load: (all) => {
      const ids = new Set<number>();
      for (const bytes of all) {
        const id = schemaId(bytes);
        if (typeof id === "number") ids.add(id);
      }
      return ids.size === 0 ? Effect.void : schemas.load(ids);
    },
    decode: (bytes) => {
      const id = schemaId(bytes);
      if (typeof id !== "number") return id;
      const written = schemas.get(id);
      if (written instanceof Undecodable) return written;
      if (written.type !== type) {
        return new Undecodable(
          `names schema ${id}, which is for ${typeNames[written.type]}, not for ${typeNames[type]}`,
        );
      }
      const value = written.read(bytes!.subarray(headerBytes));
      return value instanceof Undecodable ? value : decodeValue(value);
    },
  };
  return {
    name,
    codec: null,
    open: ({ writesTo, part }) => {
      if (writesTo === null) return Effect.succeed({ ...reading, encode: encodingNothing });
      const writer = schemas.writer({ type, subject: subject ?? `${writesTo}-${part}`, text, register });
      return Effect.map(writer, ({ id, schema: { write } }) => ({
        ...reading,
        encode: (value) => withHeader(id, write(prepare(value))),
      }));
    },
  };
};

/** Encodes by a Schema; what it throws says why. */
const encodingBy = <A, I>(schema: Schema.ConstraintCodec<A, I>): (value: A) => unknown => {
  const encode = Schema.encodeUnknownSync(schema as unknown as Schema.ConstraintEncoder<unknown>);
  return (value) => {
    try {
      return encode(value);
    } catch (cause) {
      throw new TypeError(`Cannot encode a value as its schema must take it: ${schemaWords(cause)}`, { cause });
    }
  };
};

const encodingNothing = (): never => {
  throw new TypeError(
    "Cannot encode a value as its format must be opened for the topic that is written: current topic is null",
  );
};

/** The zero byte and the id. */
const headerBytes = 5;

const isNull = new Undecodable("is null, which only Kafka.nullable takes");

/** The id of the schema that some bytes name. */
const schemaId = (bytes: Uint8Array | null): number | Undecodable => {
  if (bytes === null) return isNull;
  if (bytes.length > 0 && bytes[0] !== 0) {
    return new Undecodable(`does not begin with a zero byte and the id of its schema: its first byte is ${bytes[0]}`);
  }
  if (bytes.length < headerBytes) {
    return new Undecodable(`is too short to name its schema: it has ${bytes.length} of at least ${headerBytes} bytes`);
  }
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
};

const withHeader = (id: number, body: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(headerBytes + body.length);
  new DataView(bytes.buffer).setUint32(1, id);
  bytes.set(body, headerBytes);
  return bytes;
};
