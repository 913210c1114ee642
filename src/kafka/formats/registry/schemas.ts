/**
 * The schemas of a registry, which are loaded once and then read and write without waiting.
 *
 * Schemas, and what they refer to, are put together by `@kafkajs/confluent-schema-registry`, which is loaded when the first
 * one is needed. Its requests are made here: what it makes of an answer does not tell a schema that is unknown from a wrong
 * URL, it waits without end for a registry that is silent, and an answer of `null` ends the process.
 *
 * @module
 */
import { Clock, Effect } from "effect";
import { Undecodable } from "../../../streams/sources/formats/value-decoder.ts";
import { errorLine } from "../../../windows/error-words.ts";
import { inWords } from "../../../windows/in-words.ts";
import { KafkaError } from "../../errors.ts";
import { retrying } from "../../retrying.ts";
import { type Ask, asking, type RegistryAddress, RegistryFailure } from "./answers.ts";
import { avroOptions, avroReading, type AvroType, type Avsc } from "./avro.ts";
import { type Ajvs, jsonCompiler, jsonReading, type JsonType } from "./json-schema.ts";

/** The code of errors between this process and a schema registry. */
export const registryCode = "SCHEMA_REGISTRY";

/** The kinds of schemas that can be read. */
export type SchemaType = "AVRO" | "JSON";

/** A schema that has been loaded. */
export interface LoadedSchema {
  readonly type: SchemaType;
  /** The value of what follows the header, or an {@link Undecodable}. It does not throw. */
  readonly read: (body: Uint8Array) => unknown;
  /** What follows the header. It throws where the value does not fit the schema. */
  readonly write: (value: unknown) => Uint8Array;
}

/** What a registry is, and how long it may take. */
export interface RegistrySettings extends RegistryAddress {
  readonly timeoutMillis: number;
  readonly schemasMax: number;
}

/** For how long an id is not asked for again that the registry did not know, in milliseconds. */
const unknownMillis = 1_000;

/** How many such ids are remembered. */
const unknownIdsMax = 10_000;

/** How many schemas are loaded at the same time. */
const requestsMax = 8;

/** For how many loads a schema is kept at least, so that it is there when the records are decoded that it was loaded for. */
const loadsKeptMin = 1_000;

/** Which schema values are written with. */
export interface WriterRequest {
  readonly type: SchemaType;
  readonly subject: string;
  /** The text of the schema; `null`: whatever the subject's latest version is. */
  readonly text: string | null;
  /** Whether it is registered, or only looked up. */
  readonly register: boolean;
}

/** The schemas of one registry. */
export class RegistrySchemas {
  /** By id, the one that was used longest ago first. One that cannot be used is an {@link Undecodable}. */
  readonly #schemas = new Map<number, { readonly schema: LoadedSchema | Undecodable; load: number }>();
  /** Ids that the registry did not know, and until when that is believed. */
  readonly #unknown = new Map<number, { readonly reason: Undecodable; readonly untilMillis: number }>();
  #loads = 0;

  constructor(readonly settings: RegistrySettings) {}

  /** Loads the schemas of some ids, unless they are there. That some are unknown is no error. */
  load(ids: ReadonlySet<number>): Effect.Effect<void, KafkaError> {
    return Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis;
      const load = ++this.#loads;
      if (this.#unknown.size > unknownIdsMax) this.#unknown.clear();
      const missing = [...ids].filter((id) => {
        const known = this.#schemas.get(id);
        if (known === undefined) return now >= (this.#unknown.get(id)?.untilMillis ?? now);
        known.load = load;
        this.#schemas.delete(id);
        this.#schemas.set(id, known);
        return false;
      });
      if (missing.length === 0) return;
      const tools = yield* Effect.tryPromise({
        try: () => libraries ??= loadLibraries(),
        catch: (error) =>
          new KafkaError({
            message: `Cannot load what reads the schemas of a registry: ${errorLine(error)}`,
            code: registryCode,
            retryable: false,
          }),
      });
      const loadOne = (id: number) =>
        Effect.map(this.#call(`load schema ${id}`, (ask) => loadSchema(this.settings.url, ask, id, tools)), (found) => {
          this.#unknown.delete(id);
          if (found.isKnown) this.#schemas.set(id, { schema: found.schema, load });
          else this.#unknown.set(id, { reason: found.reason, untilMillis: now + unknownMillis });
        });
      yield* Effect.forEach(missing, loadOne, { concurrency: requestsMax, discard: true });
      for (const [id, known] of this.#schemas) {
        if (this.#schemas.size <= this.settings.schemasMax || known.load > load - loadsKeptMin) break;
        this.#schemas.delete(id);
      }
    });
  }

  /** A schema that has been loaded, or why there is none. */
  get(id: number): LoadedSchema | Undecodable {
    return this.#schemas.get(id)?.schema ?? this.#unknown.get(id)?.reason ??
      new Undecodable(`names schema ${id}, which was not loaded`);
  }

  /** Finds or registers the schema that values are written with. */
  writer(request: WriterRequest): Effect.Effect<{ readonly id: number; readonly schema: LoadedSchema }, KafkaError> {
    const { subject, type } = request;
    const doing = `write ${typeNames[type]} of subject "${subject}"`;
    return Effect.gen({ self: this }, function* () {
      const id = yield* this.#call(doing, (ask) => idOf(ask, request), writerRule(request));
      this.#unknown.delete(id);
      yield* this.load(new Set([id]));
      const schema = this.get(id);
      if (schema instanceof Undecodable) {
        // A registry of several servers may not know everywhere yet what one of them has just told.
        const mayPass = this.#unknown.has(id);
        return yield* this.#error(
          doing,
          "must have a schema that can be used",
          `a subject that ${schema.reason}`,
          mayPass,
        );
      }
      if (schema.type !== type) {
        const current = `schema ${id}, which is for ${typeNames[schema.type]}`;
        return yield* this.#error(doing, `must have a schema for ${typeNames[type]} there`, current, false);
      }
      return { id, schema };
    });
  }

  /** Asks the registry, again and again while what fails may pass, until it has taken too long. */
  #call<A>(
    doing: string,
    call: (ask: Ask) => Promise<A>,
    rule: (failure: RegistryFailure) => string = commonRule,
  ): Effect.Effect<A, KafkaError> {
    const { timeoutMillis } = this.settings;
    const attempt = Effect.tryPromise({
      try: (signal) => call(asking(this.settings, signal)),
      catch: (error) => {
        const failure = error instanceof RegistryFailure ? error : new RegistryFailure("refused", 0, errorLine(error));
        return this.#error(doing, rule(failure), inWords(failure.said), failure.kind === "unavailable");
      },
    });
    return Effect.timeoutOrElse(retrying(null, attempt, timeoutMillis), {
      duration: timeoutMillis,
      orElse: () => Effect.fail(this.#error(doing, `must answer within ${timeoutMillis} ms`, "no answer", true)),
    });
  }

  #error(doing: string, rule: string, current: string, retryable: boolean): KafkaError {
    return new KafkaError({
      message: `Cannot ${doing} as the schema registry at ${this.settings.url} ${rule}: current value is ${current}`,
      code: registryCode,
      retryable,
    });
  }
}

/** What schemas are for, in words. */
export const typeNames: Readonly<Record<SchemaType, string>> = { AVRO: "Avro", JSON: "JSON" };

const commonRule = ({ kind, httpStatus }: RegistryFailure): string => {
  if (httpStatus === 401 || httpStatus === 403) return "must let us in";
  return kind === "unavailable" ? "must answer" : "must do so";
};

/** What the registry must do so that values can be written, in words. */
const writerRule = ({ text, register }: WriterRequest) => (failure: RegistryFailure): string => {
  if (failure.kind === "unknown") {
    return text === null
      ? "must have a schema of it (register one, or give the schema and `register: true`)"
      : "must have this schema of it (register it, or give `register: true`)";
  }
  if (register && failure.httpStatus === 409) return "must find the schema compatible with the earlier ones";
  if (register && failure.httpStatus === 422) return "must find the schema valid";
  return commonRule(failure);
};

/** The id of the schema that values are written with. */
const idOf = async (ask: Ask, { type, subject, text, register }: WriterRequest): Promise<number> => {
  const path = `/subjects/${encodeURIComponent(subject)}`;
  const body = { ...(type === "AVRO" ? {} : { schemaType: type }), ...(text === null ? {} : { schema: text }) };
  // The library's own `register` also reads and sets how compatible the subject's schemas must be.
  const answer = text === null
    ? await ask("GET", `${path}/versions/latest`)
    : await ask("POST", register ? `${path}/versions` : path, body);
  const { id } = answer as { readonly id?: unknown };
  if (!isId(id)) throw new RegistryFailure("unavailable", 200, `an answer without an id: ${inWords(answer)}`);
  return id;
};

const isId = (id: unknown): id is number => Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 32;

/** What has come of loading a schema. */
type Found =
  | { readonly isKnown: true; readonly schema: LoadedSchema | Undecodable }
  | { readonly isKnown: false; readonly reason: Undecodable };

/** What a registry answers when it is asked for a schema. */
interface Written {
  readonly schema: string;
  readonly schemaType?: string;
}

/** Why a schema cannot be used, which does not change. */
class Unusable extends Error {
  override readonly name = "Unusable";
}

/** Loads a schema with all that it refers to. */
const loadSchema = async (
  url: string,
  ask: Ask,
  id: number,
  { SchemaRegistry, avro, ajvs }: Libraries,
): Promise<Found> => {
  const references = new Map<string, string>();
  const found = new Map<string, Written>();
  const find = async (path: string): Promise<Written> => {
    const answer = found.get(path) ?? await ask("GET", path) as Written;
    if (typeof answer.schema !== "string") {
      throw new RegistryFailure("unavailable", 200, `an answer without a schema: ${inWords(answer)}`);
    }
    found.set(path, answer);
    return answer;
  };
  let type: SchemaType = "AVRO";
  const api = {
    Schema: {
      find: async () => {
        const written = await find(`/schemas/ids/${id}`);
        const { schemaType = "AVRO" } = written;
        if (!(schemaType in typeNames)) throw new Unusable(`it is of type ${inWords(schemaType)}`);
        type = schemaType as SchemaType;
        return { data: () => written };
      },
    },
    Subject: {
      version: async (reference: { readonly name: string; readonly subject: string; readonly version: number }) => {
        const path = `/subjects/${encodeURIComponent(reference.subject)}/versions/${reference.version}`;
        const written = await find(path);
        references.set(reference.name, written.schema);
        return { data: () => written };
      },
    },
  };
  const compiled = (precision: "fast" | "exact"): Promise<unknown> => {
    const registry = new SchemaRegistry({ host: url }, {
      AVRO: avroOptions(avro, precision),
      JSON: { ajvInstance: jsonCompiler(ajvs, references) as never },
    });
    Object.assign(registry, { api });
    return registry.getSchema(id);
  };
  try {
    const fast = await compiled("fast");
    const reading = type === "AVRO"
      ? avroReading({ fast: fast as AvroType, exact: await compiled("exact") as AvroType })
      : jsonReading(fast as JsonType);
    return { isKnown: true, schema: { type, ...reading } };
  } catch (error) {
    if (!(error instanceof RegistryFailure)) {
      const reason = new Undecodable(`names schema ${id}, which cannot be used: ${errorLine(error)}`);
      return { isKnown: true, schema: reason };
    }
    if (error.kind !== "unknown") throw error;
    const what = found.size === 0
      ? "which the registry does not know"
      : "which refers to a schema that the registry does not know";
    return { isKnown: false, reason: new Undecodable(`names schema ${id}, ${what}`) };
  }
};

/** What reads schemas. */
interface Libraries {
  readonly SchemaRegistry: typeof import("@kafkajs/confluent-schema-registry").SchemaRegistry;
  readonly avro: Avsc;
  readonly ajvs: Ajvs;
}

let libraries: Promise<Libraries> | undefined;

/** Programs that read no such schemas do not load what reads them. */
const loadLibraries = async (): Promise<Libraries> => {
  const [{ SchemaRegistry }, { default: avro }, draft07, draft2019, draft2020] = await Promise.all([
    import("@kafkajs/confluent-schema-registry"),
    import("avsc"),
    import("ajv"),
    import("ajv/dist/2019.js"),
    import("ajv/dist/2020.js"),
  ]);
  return {
    SchemaRegistry,
    avro,
    ajvs: {
      draft07: draft07.Ajv,
      draft2019: draft2019.Ajv2019 as unknown as Ajvs["draft07"],
      draft2020: draft2020.Ajv2020 as unknown as Ajvs["draft07"],
    },
  };
};
