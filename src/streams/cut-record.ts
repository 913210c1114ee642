/**
 * How much a letter keeps of a record: its value, its key and its headers share one bound.
 *
 * @module
 */
import type { RecordParts } from "../actors/record-bytes.ts";

/** What a letter keeps of a record. */
export type RecordCut = Pick<RecordParts, "key" | "headers"> & { readonly raw: Uint8Array };

/** What a header takes of the bound besides its bytes: it takes memory and storage, too, when it is empty. */
const headerBytes = 32;

/** A character of a header's name takes up to three bytes in UTF-8, and up to two where letters are stored. */
const nameCharacterBytes = 3;

/** What a header takes of the bound. */
const costOf = ([name, value]: RecordParts["headers"][number]): number =>
  headerBytes + nameCharacterBytes * name.length + (value?.length ?? 0);

/** How many bytes a record's key, headers and value take of the bound. */
export const recordCost = ({ raw, key, headers }: RecordCut): number =>
  headers.reduce((sum, header) => sum + costOf(header), raw.length + (key?.length ?? 0));

/**
 * What is kept of a record where there is room for so many bytes. Where that is not all of it, the key and then those
 * headers that fit have at least half of the room, and more where the value leaves it; the value has the rest.
 */
export const cutRecord = (record: RecordCut, bytesMax: number): RecordCut => {
  const { raw, key, headers } = record;
  if (recordCost(record) <= bytesMax) return record;
  let room = Math.max(Math.floor(bytesMax / 2), bytesMax - raw.length);
  const given = room;
  const keptKey = key === null ? null : firstBytes(key, room);
  room -= keptKey?.length ?? 0;
  const keptHeaders = headers.filter((header) => {
    const cost = costOf(header);
    if (cost > room) return false;
    room -= cost;
    return true;
  });
  return { raw: firstBytes(raw, bytesMax - (given - room)), key: keptKey, headers: keptHeaders };
};

/** The first bytes, without the memory of those that are left out. */
const firstBytes = (bytes: Uint8Array, count: number): Uint8Array =>
  bytes.length <= count ? bytes : new Uint8Array(bytes.subarray(0, count));
