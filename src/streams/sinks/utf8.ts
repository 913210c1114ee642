/**
 * The length of text in UTF-8.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** The bytes that text takes in UTF-8. */
export const utf8Bytes = (text: string): number => Buffer.byteLength(text, "utf8");
