/**
 * The elements of a picture in SVG, as text.
 *
 * @module
 */

/** Pictures need no more than tenths of a pixel. */
export const round = (value: number): number => Math.round(value * 10) / 10;

/** Text as it may stand in a document. */
export const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** An element. Numbers are rounded, and what is undefined is left out. */
export const element = (
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  content = "",
): string => {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([attribute, value]) => ` ${attribute}="${typeof value === "number" ? round(value) : escape(value!)}"`)
    .join("");
  return content === "" ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
};

/** A line of text. */
export const text = (
  x: number,
  y: number,
  content: string,
  options: { readonly class?: string; readonly anchor?: "middle" | "end" } = {},
): string => element("text", { x, y, class: options.class, "text-anchor": options.anchor }, escape(content));

/** A straight line. */
export const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string =>
  element("line", { x1, y1, x2, y2, class: kind });
