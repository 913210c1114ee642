/**
 * Values in the words of an error.
 *
 * @module
 */

/** A value for a person to read: texts in quotes, so that an empty one is seen too; objects as JSON. */
export const inWords = (value: unknown): string => {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "string" && (typeof value !== "object" || value === null)) return String(value);
  const kind = typeof value === "string" || Array.isArray(value) ? "" : kindOf(value);
  try {
    return kind + JSON.stringify(value, (_name, part) => typeof part === "bigint" ? `${part}n` : part);
  } catch {
    // A value that contains itself has no JSON; its type is all there is to say.
    return Object.prototype.toString.call(value);
  }
};

/** The class of an object that is no plain one, with a space behind it. */
const kindOf = (value: object): string => {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype ? "" : `${prototype.constructor?.name ?? "object"} `;
};
