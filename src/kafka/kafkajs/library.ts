/**
 * The parts of KafkaJS that are used, which it does not document: its connections, which sign in, match answers to requests
 * and give up in time, and its requests.
 *
 * Its public face would do for neither side of the port. Its consumer cannot be told what to read, moves to other offsets by
 * itself, and takes records whose keys are four zero bytes for the markers of aborted transactions. Its producer tries again
 * by itself where a second try may go elsewhere, cannot send headers without value, and loses the order of headers; so does
 * its reading of records.
 *
 * @module
 */
import type { Buffer } from "node:buffer";

/** What KafkaJS takes for a body of a request. */
export interface Encoded {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

/** A request of one version. */
export interface LibraryRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  readonly encode: () => Promise<Encoded>;
}

/** A request with what reads its answer; `parse` would throw away all but the first error. */
export interface Exchange<A> {
  readonly request: LibraryRequest;
  readonly response: {
    readonly decode: (payload: Buffer) => Promise<A>;
    readonly parse: (answer: A) => Promise<A>;
  };
  /** How long the answer may take, in milliseconds, where that is longer than usual. */
  readonly requestTimeout?: number;
}

/** A kind of requests, and what makes one of some version. */
export interface RequestDefinition {
  readonly versions: ReadonlyArray<string>;
  // deno-lint-ignore no-explicit-any -- what a request is told, and what its answer says, depends on its kind.
  readonly protocol: (options: { readonly version: number }) => (options: any) => Exchange<any>;
}

/** The kinds of requests that are used. */
export type RequestName =
  | "AddOffsetsToTxn"
  | "AddPartitionsToTxn"
  | "ApiVersions"
  | "CreateTopics"
  | "DescribeConfigs"
  | "EndTxn"
  | "Fetch"
  | "GroupCoordinator"
  | "InitProducerId"
  | "ListOffsets"
  | "Metadata"
  | "OffsetCommit"
  | "OffsetFetch"
  | "Produce"
  | "TxnOffsetCommit";

/** Which versions of a kind of request a broker understands, by the kind's number. */
export type ApiVersions = Record<number, { readonly minVersion: number; readonly maxVersion: number }>;

/** What receives what the library would log. */
export interface LibraryLogger {
  readonly namespace: () => LibraryLogger;
  readonly debug: () => void;
  readonly info: () => void;
  readonly warn: () => void;
  readonly error: () => void;
}

/** What a connection does with its socket. */
export interface LibrarySocket {
  readonly on: (event: string, listener: (bytes: Buffer) => void) => unknown;
  readonly write: (bytes: Buffer, encoding: "binary") => unknown;
  readonly end: () => unknown;
  readonly unref: () => unknown;
}

/** What a connection is told. */
export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly logger: LibraryLogger;
  readonly sasl: { readonly mechanism: string; readonly username: string; readonly password: string } | null;
  readonly socketFactory: (options: { readonly onConnect: () => void }) => LibrarySocket;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  readonly enforceRequestTimeout: true;
  /** How long before the end of a session to sign in anew, in milliseconds. */
  readonly reauthenticationThreshold: number;
}

/** A connection to one broker. */
export interface Connection {
  readonly requestQueue: {
    readonly pending: ReadonlyArray<unknown>;
    scheduleCheckPendingRequests: () => void;
    readonly destroy: () => void;
  };
  /** How long the broker lets us in, in milliseconds, as a number of 64 bits; 0 if there is no limit. */
  readonly sessionLifetime: unknown;
  readonly connect: () => Promise<unknown>;
  readonly authenticate: () => Promise<void>;
  readonly send: <A>(exchange: Exchange<A>) => Promise<A>;
  readonly setVersions: (versions: ApiVersions) => void;
  readonly setSupportAuthenticationProtocol: (isSupported: boolean) => void;
}

/** What is used of the library. */
export interface Library {
  readonly Connection: new (options: ConnectionOptions) => Connection;
  readonly requests: Readonly<Record<RequestName, RequestDefinition>>;
  readonly apiKeys: Readonly<Record<RequestName, number>>;
}

/** Loads the library. */
export const loadLibrary = async (): Promise<Library> => {
  const [connection, requests, apiKeys] = await Promise.all([
    import("kafkajs/src/network/connection.js"),
    import("kafkajs/src/protocol/requests/index.js"),
    import("kafkajs/src/protocol/requests/apiKeys.js"),
  ]);
  return { Connection: connection.default, requests: requests.default.requests, apiKeys: apiKeys.default };
};
