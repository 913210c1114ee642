/**
 * What a schema registry answers to a request, and what it means when it does not.
 *
 * @module
 */
import { errorLine } from "../../../windows/error-words.ts";

/** Where a registry is, and who we say we are. */
export interface RegistryAddress {
  /** Without credentials, and without a slash at the end. */
  readonly url: string;
  /** The header that says who we are, in clear text; `null`: none. It is made for each request, and shown to nobody. */
  readonly authorization: () => string | null;
}

/**
 * What an answer means: the registry has no such schema or subject, it does not do such a thing, or it cannot at the moment.
 */
export type FailureKind = "unknown" | "refused" | "unavailable";

/** A request that was not done. */
export class RegistryFailure extends Error {
  override readonly name = "RegistryFailure";
  constructor(
    readonly kind: FailureKind,
    /** The status of the answer; 0: there was none. */
    readonly httpStatus: number,
    /** What the registry said, without secrets. */
    readonly said: string,
  ) {
    super(said);
  }
}

/** Asks a registry, and gives the value of its JSON. What goes wrong is a {@link RegistryFailure}. */
export type Ask = (method: "GET" | "POST", path: string, body?: object) => Promise<unknown>;

const mediaType = "application/vnd.schemaregistry.v1+json";

/** How much of what a registry says is told, in characters. */
const saidCharactersMax = 300;

/** What asks a registry. Requests end when the signal says so. */
export const asking =
  ({ url, authorization }: RegistryAddress, signal: AbortSignal): Ask => async (method, path, body) => {
    const secret = authorization();
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(url + path, {
        method,
        headers: {
          accept: mediaType,
          ...(body === undefined ? {} : { "content-type": mediaType }),
          ...(secret === null ? {} : { authorization: secret }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        redirect: "manual",
        signal,
      });
      text = await answer.text();
    } catch (error) {
      // That the program lacks a permission does not pass.
      throw new RegistryFailure(
        error instanceof Deno.errors.NotCapable ? "refused" : "unavailable",
        0,
        errorLine(error),
      );
    }
    const { status } = answer;
    const value = jsonOf(text);
    if (answer.ok && typeof value === "object" && value !== null) return value;
    const { error_code, message } = { ...value as { readonly error_code?: unknown; readonly message?: unknown } };
    // Whoever answers that it does not know us may repeat what we have said.
    const isSecret = status === 401 || status === 403 || (secret !== null && text.includes(secret));
    const words = isSecret ? "" : oneLine(typeof message === "string" ? message : text);
    throw new RegistryFailure(
      failureKind(status, error_code),
      status,
      `HTTP ${status}${words === "" ? "" : `: ${words}`}`,
    );
  };

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

const oneLine = (text: string): string => {
  const line = text.trim().replaceAll(/\s+/g, " ");
  return line.length > saidCharactersMax ? `${line.slice(0, saidCharactersMax)}…` : line;
};

/** A wrong URL answers 404 as well, and then without a registry's code. An answer of 200 that is no JSON is a proxy's. */
const failureKind = (status: number, code: unknown): FailureKind => {
  if (status === 404 && /^404\d\d$/.test(String(code))) return "unknown";
  return status >= 500 || status === 408 || status === 429 || (status >= 200 && status < 300)
    ? "unavailable"
    : "refused";
};
