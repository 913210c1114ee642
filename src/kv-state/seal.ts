/**
 * A seal: eight bytes in front of stored bytes that tell whether they are the ones that were put there.
 *
 * SQLite pages have no checksum, so a flipped bit comes back as a silently wrong value. The CRC32 of a seal covers the
 * bytes and the name under which they were stored, so that swapped, truncated, flipped and misplaced bytes all show.
 *
 * @module
 */
import { crc32 } from "node:zlib";

/** How many bytes a seal takes in front of the payload. */
export const sealBytes = 8;
/** The version of this layout: version, flags, two zero bytes, the CRC32 (little-endian), then the payload. */
export const sealVersion = 1;
const crcOffset = 4;

/** What was found under a seal that is whole. */
export interface Unsealed {
  readonly flags: number;
  readonly payload: Uint8Array;
  readonly checksum: number;
}

const storedChecksum = (sealed: Uint8Array): number =>
  (sealed[crcOffset] | sealed[crcOffset + 1] << 8 | sealed[crcOffset + 2] << 16 | sealed[crcOffset + 3] << 24) >>> 0;

const checksumOf = (identity: string, sealed: Uint8Array): number =>
  crc32(sealed.subarray(sealBytes), crc32(sealed.subarray(0, crcOffset), crc32(identity)));

/** The version of the layout of sealed bytes that are whole, or `null`: those of another version are not damaged. */
export const layoutVersion = (identity: string, value: unknown): number | null =>
  value instanceof Uint8Array && value.byteLength >= sealBytes && storedChecksum(value) === checksumOf(identity, value)
    ? value[0]
    : null;

/** Copies a payload behind a seal that is bound to `identity`. */
export const seal = (
  identity: string,
  flags: number,
  payload: Uint8Array,
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly checksum: number } => {
  const bytes = new Uint8Array(sealBytes + payload.byteLength);
  bytes[0] = sealVersion;
  bytes[1] = flags;
  bytes.set(payload, sealBytes);
  const checksum = checksumOf(identity, bytes);
  bytes[crcOffset] = checksum;
  bytes[crcOffset + 1] = checksum >>> 8;
  bytes[crcOffset + 2] = checksum >>> 16;
  bytes[crcOffset + 3] = checksum >>> 24;
  return { bytes, checksum };
};

/** Opens sealed bytes, or says in a few words what is wrong with them. */
export const unseal = (identity: string, value: unknown): Unsealed | string => {
  if (!(value instanceof Uint8Array)) return "it is not a sequence of bytes";
  if (value.byteLength < sealBytes) return `it has only ${value.byteLength} bytes`;
  const checksum = checksumOf(identity, value);
  const stored = storedChecksum(value);
  if (stored !== checksum) return `its checksum is ${checksum}, not ${stored}`;
  if (value[0] !== sealVersion) return `its layout has version ${value[0]}, not ${sealVersion}`;
  return { flags: value[1], payload: value.subarray(sealBytes), checksum };
};
