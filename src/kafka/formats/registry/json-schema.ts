/**
 * JSON that a JSON schema describes.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { JsonSchema } from "effect";
import type { Ajv as AjvClass } from "ajv";
import { lostInJson } from "../../../streams/sinks/lost-in-json.ts";
import { parseJson, Undecodable } from "../../../streams/sources/formats/value-decoder.ts";
import { errorLine } from "../../../windows/error-words.ts";
import { inWords } from "../../../windows/in-words.ts";

/** The classes of `ajv`, one for each draft, once they are loaded. */
export interface Ajvs {
  readonly draft07: typeof AjvClass;
  readonly draft2019: typeof AjvClass;
  readonly draft2020: typeof AjvClass;
}

/** What compiles a schema in the place of the one instance of `ajv` that the library would use. */
export interface JsonCompiler {
  readonly addSchema: () => void;
  readonly compile: (schema: unknown) => unknown;
}

/** What we use of a compiled schema. */
export interface JsonType {
  readonly isValid: (
    value: unknown,
    options: { readonly errorHook: (path: ReadonlyArray<string>, message: unknown) => void },
  ) => boolean;
}

/**
 * Compiles each schema for itself and by its own draft, as what it refers to has names that others may have as well.
 *
 * @param references What it refers to, by the name by which it does so. Read when a schema is compiled.
 */
export const jsonCompiler = (ajvs: Ajvs, references: ReadonlyMap<string, string>): JsonCompiler => ({
  addSchema: () => {},
  compile: (schema) => {
    const draft = draftOf(schema);
    const Ajv = draft.includes("2020-12") ? ajvs.draft2020 : draft.includes("2019-09") ? ajvs.draft2019 : ajvs.draft07;
    const ajv = new Ajv({ strict: false, validateFormats: false, logger: false });
    for (const [name, text] of references) ajv.addSchema(withoutDraft(JSON.parse(text)), name);
    const validate = ajv.compile(withoutDraft(schema));
    // It would answer with a promise, which is not false.
    if ("$async" in validate) throw new TypeError('schemas with "$async" are not supported');
    return validate;
  },
});

const isObject = (schema: unknown): schema is Record<string, unknown> => typeof schema === "object" && schema !== null;

const draftOf = (schema: unknown): string => isObject(schema) ? String(schema.$schema ?? "") : "";

/** Without the name of its draft, of which the class knows only its own: older ones are read as draft 7. */
const withoutDraft = (schema: unknown): object => {
  if (!isObject(schema)) return schema as object;
  const { $schema: _, ...rest } = schema;
  return rest;
};

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** What reads and writes JSON by a schema. */
export const jsonReading = (type: JsonType): {
  readonly read: (body: Uint8Array) => unknown;
  readonly write: (value: unknown) => Uint8Array;
} => ({
  read: (body) => {
    let text: string;
    try {
      text = decoder.decode(body);
    } catch {
      return new Undecodable("is not UTF-8");
    }
    const value = parseJson(text);
    if (value instanceof Undecodable) return value;
    try {
      const what = misfit(type, value);
      return what === null ? value : new Undecodable(`does not fit its JSON schema: ${what}`);
    } catch (error) {
      return new Undecodable(`made its JSON schema throw: ${errorLine(error)}`);
    }
  },
  write: (value) => {
    const text = JSON.stringify(value);
    const lost = text === undefined ? inWords(value) : lostInJson(value);
    if (lost !== null) {
      throw new TypeError(`Cannot encode a value as it must have a form in JSON: current value is ${lost}`);
    }
    // What counts is what a reader gets: a date is a text there.
    const what = misfit(type, JSON.parse(text));
    if (what !== null) {
      throw new TypeError(`Cannot encode a value as it must fit its JSON schema: current value ${what}`);
    }
    return encoder.encode(text);
  },
});

const misfit = (type: JsonType, value: unknown): string | null => {
  const found: Array<string> = [];
  type.isValid(value, { errorHook: ([path], message) => found.push(`${message}${path === "" ? "" : ` at ${path}`}`) });
  return found[0] ?? null;
};

/** The JSON schema of what a Schema encodes, as draft 7, which every registry knows. */
export const jsonSchemaOf = (schema: Schema.Constraint): object => {
  const { schema: root, definitions } = JsonSchema.toDocumentDraft07(Schema.toJsonSchemaDocument(schema));
  return {
    $schema: JsonSchema.META_SCHEMA_URI_DRAFT_07,
    ...root,
    ...(Object.keys(definitions).length === 0 ? {} : { definitions }),
  };
};
