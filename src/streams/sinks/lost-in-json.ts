/**
 * What JSON silently makes something else of: numbers that are not finite become `null`, as do dates that are none and the
 * undefined items of an array, and maps, sets and promises become `{}`.
 *
 * @module
 */
import { inWords } from "../../windows/in-words.ts";

/** A part that is lost, and the names and numbers that lead to it. */
interface Lost {
  readonly part: unknown;
  readonly path: ReadonlyArray<string | number>;
}

/**
 * In words, a part of a value that its JSON does not tell; null if its JSON tells all. The value must have become JSON, so
 * that it is known not to contain itself.
 */
export const lostInJson = (value: unknown): string | null => {
  const lost = lostIn(value);
  if (lost === null) return null;
  const { part, path } = lost;
  const what = typeof part === "object" ? Object.prototype.toString.call(part) : inWords(part);
  return path.length === 0 ? what : `${what} at ${path.join(".")}`;
};

const lostIn = (value: unknown): Lost | null => {
  if (typeof value === "number") return Number.isFinite(value) ? null : { part: value, path: [] };
  return typeof value === "object" && value !== null ? lostInObject(value) : null;
};

/** A flat row of five fields is walked in 20 ns, where it becomes JSON in 160 ns. */
const lostInObject = (value: object): Lost | null => {
  if (Array.isArray(value)) return lostInItems(value);
  if (typeof (value as Date).toJSON === "function") return lostInOwnJson(value as Date);
  let isEmpty = true;
  for (const name in value) {
    isEmpty = false;
    const part = (value as Record<string, unknown>)[name];
    // What is inherited is not written, so it is not lost either: it is only told from a loss where one is found.
    if (typeof part === "number") {
      if (!Number.isFinite(part) && Object.hasOwn(value, name)) return { part, path: [name] };
    } else if (typeof part === "object" && part !== null) {
      const lost = lostInObject(part);
      if (lost !== null && Object.hasOwn(value, name)) return within(name, lost);
    }
  }
  // An object of a class may have nothing to tell; a map, a set, a promise or an error has.
  return isEmpty && Object.prototype.toString.call(value) !== "[object Object]" ? { part: value, path: [] } : null;
};

const lostInItems = (items: ReadonlyArray<unknown>): Lost | null => {
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    const isNothing = item === undefined || typeof item === "function" || typeof item === "symbol";
    const lost = isNothing ? { part: item, path: [] } : lostIn(item);
    if (lost !== null) return within(i, lost);
  }
  return null;
};

/** What an object says that its JSON is. */
const lostInOwnJson = (value: Date): Lost | null => {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? { part: value, path: [] } : null;
  const json: unknown = (value as Date).toJSON();
  return json === value ? null : lostIn(json);
};

const within = (name: string | number, { part, path }: Lost): Lost => ({ part, path: [name, ...path] });
