/**
 * The library, as a type: it is loaded only when a client is opened.
 *
 * @module
 */
import type * as platformatic from "@platformatic/kafka";

/** What `import("@platformatic/kafka")` gives. */
export type Library = typeof platformatic;
