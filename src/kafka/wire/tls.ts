/**
 * How a connection is encrypted, as Node's sockets are told.
 *
 * @module
 */
import { isIP } from "node:net";
import type { TlsSettings } from "../client.ts";

/** The certificates: the broker's is always verified. */
export const certificatesOf = ({ ca, cert, key }: TlsSettings) => ({
  rejectUnauthorized: true,
  ...(ca === null ? {} : { ca }),
  ...(cert === null ? {} : { cert }),
  ...(key === null ? {} : { key }),
});

/** The name that a server is asked for, if any: an IP address is no name, but is checked all the same. */
export const serverNameOf = ({ serverName }: TlsSettings, host: string): string | undefined =>
  serverName ?? (isIP(host) === 0 ? host : undefined);
