/**
 * The texts of the events, all made once. They do not depend on the seed.
 *
 * Letter `i` of a text with number `t` is drawn as draw 1 of event `i` under the seed word `mix(t)`.
 *
 * @module
 */
import { below, drawOf, eventWord, mix } from "./random.ts";

const firstLetter = 97; // a
const letters = 26;

/** One of so many characters that are not padding is not a letter but a separator (StringsGenerator.nextString). */
const separatorOneIn = 13;

/** The numbers of the texts. */
const textNumbers = { padding: 1, words: 2, emails: 3, hotUrls: 4, urls: 5 } as const;

const letterOf = (word: number): string => String.fromCharCode(firstLetter + below(letters, word));

/** Letters and, if one is given, now and then a separator. */
const textOf = (number: number, from: number, length: number, separator: string | null): string => {
  const seedWord = mix(number);
  let text = "";
  for (let i = from; i < from + length; i++) {
    const word = eventWord(seedWord, i);
    const separates = separator !== null && below(separatorOneIn, drawOf(word, 2)) === 0;
    text += separates ? separator : letterOf(drawOf(word, 1));
  }
  return text;
};

/** The longest slice that anybody takes of a long text. */
export const sliceLengthMax = 1_024;

/** How many places there are in a long text at which a slice may begin. */
export const slicesOfText: number = 2 ** 16;

/** Letters, of which padding is a slice. */
export const paddingText: string = textOf(textNumbers.padding, 0, slicesOfText + sliceLengthMax, null);

/** Letters and spaces, of which names and descriptions are slices. */
export const wordsText: string = textOf(textNumbers.words, 0, slicesOfText + sliceLengthMax, " ");

// People: PersonGenerator.
export const states: ReadonlyArray<string> = ["AZ", "CA", "ID", "OR", "WA", "WY"];
export const cities: ReadonlyArray<string> = [
  "Phoenix",
  "Los Angeles",
  "San Francisco",
  "Boise",
  "Portland",
  "Bend",
  "Redmond",
  "Seattle",
  "Kent",
  "Cheyenne",
];
const firstNames = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const lastNames = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];

/** Every first name with every last name, the last names of one first name side by side. */
export const names: ReadonlyArray<string> = firstNames.flatMap((first) => lastNames.map((last) => `${first} ${last}`));

const emailsCount = 1_024;
const emailNameLength = 5;
const emailHostLength = 4;

/** Addresses; the public generator makes one for each person. */
export const emails: ReadonlyArray<string> = Array.from({ length: emailsCount }, (_, i) => {
  const text = textOf(textNumbers.emails, i * 16, emailNameLength + emailHostLength, null);
  return `${text.slice(0, emailNameLength)}@${text.slice(emailNameLength)}.com`;
});

/** A fourth of a credit card's number: "0000" to "9999". */
export const cardDigits: ReadonlyArray<string> = Array.from(
  { length: 10_000 },
  (_, i) => String(i).padStart(4, "0"),
);

// Bids: BidGenerator.

/** The path of a page: three folders of four characters. */
const pageOf = (number: number, i: number): string => {
  const text = textOf(number, i * 16, 12, "_");
  return `https://www.nexmark.com/${text.slice(0, 4)}/${text.slice(4, 8)}/${text.slice(8)}/item.htm?query=1`;
};

/** The channels that half of the bids come by. */
export const hotChannels: ReadonlyArray<string> = ["Google", "Facebook", "Baidu", "Apple"];

/** The page of each hot channel. */
export const hotUrls: ReadonlyArray<string> = hotChannels.map((_, i) => pageOf(textNumbers.hotUrls, i));

const channelsCount = 10_000;

/** One page in so many has no channel's id. */
const withoutIdOneIn = 10;

/** The other channels: "channel-0" to "channel-9999". */
export const channels: ReadonlyArray<string> = Array.from({ length: channelsCount }, (_, i) => `channel-${i}`);

/** A number with its 32 bits turned around, unsigned. */
const reversedBits = (value: number): number => {
  let reversed = 0;
  for (let bit = 0; bit < 32; bit++) reversed = reversed << 1 | value >>> bit & 1;
  return reversed >>> 0;
};

/** The page of each other channel. Nine in ten name the channel's id, which is its number with the bits turned around. */
export const urls: ReadonlyArray<string> = channels.map((_, i) => {
  const page = pageOf(textNumbers.urls, i);
  const named = below(withoutIdOneIn, drawOf(eventWord(mix(textNumbers.urls), i * 16), 3)) > 0;
  return named ? `${page}&channel_id=${reversedBits(i)}` : page;
});
