/** A text that two keys share only if they are the same key. */
export const identify = (key: unknown): string => {
  if (Array.isArray(key)) return `[${key.map(identify).join(",")}]`;
  if (key instanceof Uint8Array) return `bytes(${[...key].join(" ")})`;
  if (typeof key === "number") return `number(${key === 0 ? 0 : key})`;
  return `${typeof key}(${typeof key === "string" ? JSON.stringify(key) : String(key)})`;
};
