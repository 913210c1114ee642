/**
 * Where a broker is: a host, which may be a number of IPv6, and a port.
 *
 * @module
 */
import { clientCodes } from "../errors.ts";
import { Refusal } from "./refusal.ts";

/** The largest number that a port can have. */
const portMax = 65_535;

/** A host and a port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** An address as text, such as `127.0.0.1:9092` or `[::1]:9092`. */
export const addressText = ({ host, port }: Address): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;

/**
 * The address in a text.
 *
 * @throws {Refusal} If there is no such port.
 */
export const addressOf = (text: string): Address => {
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  if (!(port <= portMax)) throw new Refusal(clientCodes.client, `the port must be at most ${portMax}`, `${port}`);
  return { host: text.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port };
};
