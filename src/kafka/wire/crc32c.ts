/**
 * The checksum of batches of records: CRC-32C (Castagnoli).
 *
 * @module
 */

/** How many bytes are taken at once. */
const slice = 16;

/** What each byte does to the sum from each of its places: 16 tables of 256 numbers, one behind the other. */
const tables = (() => {
  const all = new Int32Array(slice * 256);
  for (let byte = 0; byte < 256; byte++) {
    let sum = byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0);
    all[byte] = sum;
  }
  for (let k = 256; k < all.length; k++) all[k] = (all[k - 256] >>> 8) ^ all[all[k - 256] & 0xff];
  return all;
})();

/**
 * The checksum of the bytes from a place on.
 *
 * Unrolled, as byte by byte it took longer than all the rest of reading a batch: 350 MB/s, and 1.8 GB/s so.
 */
export const crc32c = (bytes: Uint8Array, from = 0): number => {
  const t = tables;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let sum = -1;
  let at = from;
  for (const end = bytes.length - slice; at <= end; at += slice) {
    const a = sum ^ view.getInt32(at, true);
    const b = view.getInt32(at + 4, true);
    const c = view.getInt32(at + 8, true);
    const d = view.getInt32(at + 12, true);
    sum = t[3840 | (a & 0xff)] ^ t[3584 | ((a >>> 8) & 0xff)] ^ t[3328 | ((a >>> 16) & 0xff)] ^ t[3072 | (a >>> 24)] ^
      t[2816 | (b & 0xff)] ^ t[2560 | ((b >>> 8) & 0xff)] ^ t[2304 | ((b >>> 16) & 0xff)] ^ t[2048 | (b >>> 24)] ^
      t[1792 | (c & 0xff)] ^ t[1536 | ((c >>> 8) & 0xff)] ^ t[1280 | ((c >>> 16) & 0xff)] ^ t[1024 | (c >>> 24)] ^
      t[768 | (d & 0xff)] ^ t[512 | ((d >>> 8) & 0xff)] ^ t[256 | ((d >>> 16) & 0xff)] ^ t[d >>> 24];
  }
  for (; at < bytes.length; at++) sum = (sum >>> 8) ^ t[(sum ^ bytes[at]) & 0xff];
  return (sum ^ -1) >>> 0;
};
