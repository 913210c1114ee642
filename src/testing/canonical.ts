/**
 * Texts for values, equal for equal values whatever the order of their properties.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** How deep a value is looked into. One that contains itself gets there at once. */
const depthMax = 64;

/** A text for a value: equal values have equal texts, and others have others. */
export const canonical = (value: unknown, depthLeft: number = depthMax): string => {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  if (typeof value !== "object" || value === null) return String(value);
  if (depthLeft === 0) return "…";
  const part = (inner: unknown): string => canonical(inner, depthLeft - 1);
  if (Array.isArray(value)) return `[${value.map(part).join(",")}]`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof Error) {
    const { name, message, cause } = value;
    return `${name}(${JSON.stringify(message)}${cause === undefined ? "" : `,${part(cause)}`})${own(value, part)}`;
  }
  if (value instanceof URL) return `URL(${value.href})`;
  if (value instanceof RegExp) return `RegExp(${value})`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer(${Buffer.from(value).toString("base64")})`;
  if (value instanceof DataView) {
    return `DataView(${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")})`;
  }
  if (value instanceof Uint8Array) return `bytes(${Buffer.from(value).toString("base64")})`;
  if (value instanceof Map) return `Map{${[...value].map(([key, inner]) => `${part(key)}=>${part(inner)}`).join(",")}}`;
  if (value instanceof Set) return `Set{${[...value].map(part).join(",")}}`;
  const kind = Object.getPrototypeOf(value)?.constructor?.name ?? "Object";
  return `${kind === "Object" ? "" : kind}${own(value, part)}`;
};

/** The properties of an object, whatever their order. */
const own = (value: object, part: (inner: unknown) => string): string => {
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${part(inner)}`).join(",")}}`;
};
