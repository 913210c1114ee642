/**
 * Values in the words of an error.
 *
 * @module
 */

/**
 * A value for a person to read: texts in quotes, so that an empty one is seen too; objects as JSON. It never throws: where
 * a value has no JSON, or its getters throw, its type is all that is said.
 */
export const inWords = (value: unknown): string => {
  if (typeof value === "bigint") return `${value}n`;
  try {
    if (typeof value !== "string" && (typeof value !== "object" || value === null)) return String(value);
    const kind = typeof value === "string" || Array.isArray(value) ? "" : kindOf(value);
    const json = JSON.stringify(value, (_name, part) => typeof part === "bigint" ? `${part}n` : part);
    return json === undefined ? typeOf(value) : kind + json;
  } catch {
    return typeOf(value);
  }
};

const typeOf = (value: unknown): string => {
  try {
    return Object.prototype.toString.call(value);
  } catch {
    return `[${typeof value}]`;
  }
};

/** The class of an object that is no plain one, with a space behind it. */
const kindOf = (value: object): string => {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype ? "" : `${prototype.constructor?.name ?? "object"} `;
};
