/**
 * How records are compressed on the log: all that Kafka knows, and none makes more bytes than it may.
 *
 * KafkaJS has only gzip, without a bound, and a registry that all of a process share; @platformatic/kafka has no bounds.
 *
 * @module
 */
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { errorLine } from "../../windows/error-words.ts";
import type { Compression } from "../client.ts";
import { lz4Compress, lz4Decompress } from "./lz4.ts";
import { malformed, Refusal, tooLarge } from "./refusal.ts";
import { snappyCompress, snappyDecompress } from "./snappy.ts";

/** The codecs by their numbers on the log. */
export const codecs: ReadonlyArray<Compression> = ["none", "gzip", "snappy", "lz4", "zstd"];

/** Decompresses the records of a batch. What it gives holds no more than twice the memory that it shows. */
export const decompress = (codec: number, bytes: Uint8Array, bytesMax: number): Uint8Array => {
  try {
    switch (codecs[codec]) {
      case "none":
        return bytes;
      case "gzip":
        return fitted(gunzipSync(bytes, { maxOutputLength: bytesMax }));
      case "snappy":
        return fitted(snappyDecompress(bytes, bytesMax));
      case "lz4":
        return fitted(lz4Decompress(bytes, bytesMax));
      case "zstd":
        return fitted(zstdDecompressSync(bytes, { maxOutputLength: bytesMax }));
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    if ((error as { readonly code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") {
      throw tooLarge("a decompressed batch of records", bytesMax, "more");
    }
    throw malformed(`${codecs[codec]} that cannot be decompressed (${errorLine(error)})`);
  }
  throw malformed(`records compressed by codec ${codec}`);
};

/** Bytes in a buffer of about their size: records hold it for as long as they are there, and zlib's has 16 KiB at least. */
const fitted = (bytes: Uint8Array): Uint8Array =>
  bytes.buffer.byteLength > 2 * bytes.length ? new Uint8Array(bytes) : bytes;

/** Compresses the records of a batch. */
export const compress = (codec: number, bytes: Uint8Array): Uint8Array => {
  switch (codecs[codec]) {
    case "gzip":
      return gzipSync(bytes);
    case "snappy":
      return snappyCompress(bytes);
    case "lz4":
      return lz4Compress(bytes);
    case "zstd":
      return zstdCompressSync(bytes);
    default:
      return bytes;
  }
};
