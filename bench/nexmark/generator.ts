/**
 * A generator of Nexmark events: event `n` is a pure function of `n` and the options, so a source can begin anywhere, and
 * a split is every so manieth event.
 *
 * The parameters are those of the public generator (github.com/nexmark/nexmark, package
 * `com.github.nexmark.flink.generator`; the class is named at each). Chance is another: that generator is not seeded, this
 * one is, and gives the same bits in every language. How an event is made:
 *
 * 1. `n` is the place in the order of arrival. The event's *number* is `base + (n - base) * 953 % groupSize`, with `base`
 *    the multiple of `groupSize` at or below `n`: groups of so many events come shuffled (GeneratorConfig,
 *    nextAdjustedEventNumber). Everything else depends on the number, not on `n`.
 * 2. Its time is `firstEventTime + floor(number * 1000 / eventsPerSecond)`.
 * 3. Its kind follows from `number % 50`: 0 is a person, 1 to 3 are auctions, the others are bids. Persons and auctions
 *    are numbered in that order.
 * 4. Its word is `eventWord(mix(seed), number)`, and draw `k` is `drawOf(word, k)`, where `k` is what `draws` says for each
 *    field (`random.ts`). A range is drawn from by `below`. Two draws decide between hot and other keys: the first if it is
 *    hot, the second which other.
 * 5. Texts are entries of tables or slices of long texts (`texts.ts`), prices come of a table (`prices.ts`).
 *
 * What differs from the public generator, besides chance: e-mail addresses are of a table of 1,024; the id in a URL is not
 * made absolute; `FIRST_PERSON_ID` is added to a bidder once and not twice, so that bidders are persons.
 *
 * @module
 */
import { digestBasis, digestOf } from "./digest.ts";
import { type Auction, type Bid, type Event, eventText, type Person } from "./event.ts";
import { priceOf } from "./prices.ts";
import { below, belowMany, drawOf, eventWord, mix } from "./random.ts";
import {
  cardDigits,
  channels,
  cities,
  emails,
  hotChannels,
  hotUrls,
  names,
  paddingText,
  slicesOfText,
  states,
  urls,
  wordsText,
} from "./texts.ts";

/** Of 50 events one is a person, three are auctions and 46 are bids (NexmarkConfiguration). */
export const personProportion = 1;
/** See {@link personProportion}. */
export const auctionProportion = 3;
/** See {@link personProportion}. */
export const bidProportion = 46;
const totalProportion = personProportion + auctionProportion + bidProportion;

/** Where ids begin (GeneratorConfig). */
export const firstAuctionId = 1_000;
/** Where ids begin (GeneratorConfig). */
export const firstPersonId = 1_000;
const firstCategoryId = 10;

/** How many categories there are (AuctionGenerator). */
const categories = 5;

/** All but one in so many bids are for the hot auction, by the hot bidder; of auctions, by the hot seller (NexmarkConfiguration). */
export const hotAuctionRatio = 2;
/** See {@link hotAuctionRatio}. */
export const hotBiddersRatio = 4;
/** See {@link hotAuctionRatio}. */
export const hotSellersRatio = 4;

/** The hot auction is the last whose number is a multiple of this; so are the hot seller, and the hot bidder before the next (BidGenerator). */
export const hotEvery = 100;

/** All but one in so many bids come by a hot channel (BidGenerator). */
export const hotChannelsRatio = 2;

/** How many of the latest people sell and bid (NexmarkConfiguration). */
export const activePeople = 1_000;

/** How many of the latest auctions are bid for (NexmarkConfiguration). */
export const inFlightAuctions = 100;

/** How many people and auctions that are yet to come are spoken of already (PersonGenerator, AuctionGenerator). */
export const idLead = 10;

/** Average sizes in bytes, numbers taken as eight each (NexmarkConfiguration). */
const personBytes = 200;
const auctionBytes = 500;
const bidBytes = 100;
const numberBytes = 8;

/** The longest name, and the longest description, of an auction; the shortest of both (AuctionGenerator, StringsGenerator). */
const itemNameMax = 20;
const descriptionMax = 100;
const textMin = 3;

/** By how much groups are shuffled (GeneratorConfig); prime, so that any group that is no multiple of it is. */
const shuffle = 953;

/** One more than the greatest number of an event, so that numbers are 32-bit words. */
export const eventsMax: number = 2 ** 31;

/** 15 July 2015, 00:00 UTC: the time of event 0 (Apache Beam's NexmarkUtils). */
export const firstEventTime: number = Date.UTC(2015, 6, 15);

/** What a sequence of events depends on. */
export interface GeneratorOptions {
  /**
   * A 32-bit word.
   *
   * @default {1}
   */
  readonly seed?: number;
  /**
   * How many events happen in a second of event time.
   *
   * @default {10_000}
   */
  readonly eventsPerSecond?: number;
  /**
   * How many consecutive events come shuffled; 1 for none. No multiple of 953.
   *
   * @default {1_000}
   */
  readonly groupSize?: number;
}

/** NexmarkConfiguration's `firstEventRate`. */
export const defaultEventsPerSecond = 10_000;

/** NexmarkConfiguration's own default is 1, and 1,000 its example of a pseudo-random order. */
export const defaultGroupSize = 1_000;

/** By how many milliseconds an event's time is at most before that of one that came earlier. */
export const outOfOrderBoundMillis = (options: GeneratorOptions = {}): number => {
  const { eventsPerSecond = defaultEventsPerSecond, groupSize = defaultGroupSize } = options;
  return Math.ceil((groupSize - 1) * 1_000 / eventsPerSecond);
};

/** The draw of each field. */
const draws = {
  person: { name: 1, email: 2, card: 3, city: 7, state: 8, extraLength: 9, extraPlace: 10 },
  auction: {
    hotSeller: 1,
    seller: 2,
    category: 3,
    initialBid: 4,
    reserve: 5,
    expires: 6,
    nameLength: 7,
    namePlace: 8,
    descriptionLength: 9,
    descriptionPlace: 10,
    extraLength: 11,
    extraPlace: 12,
  },
  bid: {
    hotAuction: 1,
    auction: 2,
    hotBidder: 3,
    bidder: 4,
    price: 5,
    hotChannel: 6,
    channel: 7,
    extraLength: 8,
    extraPlace: 9,
  },
} as const;

// Events are instances of classes for the sake of the garbage collector. V8 counts how many of the objects that one literal makes
// outlive its scavenges, and if the first ones do, as they wait for a job that has just begun, it makes all others old from the
// start: what could be collected at once then stays until the next full collection.

class GeneratedPerson implements Person {
  constructor(
    readonly kind: "person",
    readonly id: number,
    readonly name: string,
    readonly emailAddress: string,
    readonly creditCard: string,
    readonly city: string,
    readonly state: string,
    readonly dateTime: number,
    readonly extra: string,
  ) {}
}

class GeneratedAuction implements Auction {
  constructor(
    readonly kind: "auction",
    readonly id: number,
    readonly itemName: string,
    readonly description: string,
    readonly initialBid: number,
    readonly reserve: number,
    readonly dateTime: number,
    readonly expires: number,
    readonly seller: number,
    readonly category: number,
    readonly extra: string,
  ) {}
}

class GeneratedBid implements Bid {
  constructor(
    readonly kind: "bid",
    readonly auction: number,
    readonly bidder: number,
    readonly price: number,
    readonly channel: string,
    readonly url: string,
    readonly dateTime: number,
    readonly extra: string,
  ) {}
}

/** Padding to an average size: a fifth more or less of what is missing (StringsGenerator.nextExtra). */
const extraOf = (word: number, missing: number, lengthDraw: number, placeDraw: number): string => {
  if (missing <= 0) return "";
  const delta = Math.floor((missing * 2 + 5) / 10);
  const length = missing - delta + below(2 * delta, drawOf(word, lengthDraw));
  return sliceOf(paddingText, length, drawOf(word, placeDraw));
};

/** So many letters of a long text. */
const sliceOf = (text: string, length: number, word: number): string => {
  const from = belowMany(slicesOfText, word);
  return text.substring(from, from + length);
};

/** A text of letters and spaces, with less than `lengthMax` of them. */
const wordsOf = (word: number, lengthMax: number, lengthDraw: number, placeDraw: number): string =>
  sliceOf(wordsText, textMin + below(lengthMax - textMin, drawOf(word, lengthDraw)), drawOf(word, placeDraw));

/** A person's number: one of the active ones or of those about to come, where `last` is the latest (nextBase0PersonId). */
const somePerson = (word: number, last: number): number => {
  const people = last + 1;
  const active = Math.min(people, activePeople);
  return people - active + below(active + idLead, word);
};

/** An auction's number: one of those in flight or about to come, where `last` is the latest (nextBase0AuctionId). */
const someAuction = (word: number, last: number): number => {
  const first = Math.max(last - inFlightAuctions, 0);
  return first + below(last - first + 1 + idLead, word);
};

/** The latest number that is a multiple of {@link hotEvery}. */
const hot = (last: number): number => last - last % hotEvery;

/** Makes the function that makes event `n`, from 0 to below {@link eventsMax}. */
export const eventsOf = (options: GeneratorOptions = {}): (n: number) => Event => {
  const { seed = 1, eventsPerSecond = defaultEventsPerSecond, groupSize = defaultGroupSize } = options;
  const seedWord = mix(seed | 0);

  const timeOf = (number: number): number => firstEventTime + Math.floor(number * 1_000 / eventsPerSecond);

  /** How many events it takes until so many auctions have opened as are in flight. */
  const eventsInFlight = Math.floor(inFlightAuctions * totalProportion / auctionProportion);

  const personAt = (word: number, dateTime: number, last: number): Person => {
    const name = names[below(names.length, drawOf(word, draws.person.name))];
    const emailAddress = emails[below(emails.length, drawOf(word, draws.person.email))];
    let creditCard = "";
    for (let k = 0; k < 4; k++) {
      const digits = cardDigits[below(cardDigits.length, drawOf(word, draws.person.card + k))];
      creditCard = k === 0 ? digits : creditCard + " " + digits;
    }
    const city = cities[below(cities.length, drawOf(word, draws.person.city))];
    const state = states[below(states.length, drawOf(word, draws.person.state))];
    const size = numberBytes + name.length + emailAddress.length + creditCard.length + city.length + state.length;
    return new GeneratedPerson(
      "person",
      firstPersonId + last,
      name,
      emailAddress,
      creditCard,
      city,
      state,
      dateTime,
      extraOf(word, personBytes - size, draws.person.extraLength, draws.person.extraPlace),
    );
  };

  const auctionAt = (word: number, number: number, dateTime: number, last: number, lastPerson: number): Auction => {
    const seller = below(hotSellersRatio, drawOf(word, draws.auction.hotSeller)) > 0
      ? hot(lastPerson)
      : somePerson(drawOf(word, draws.auction.seller), lastPerson);
    const initialBid = priceOf(drawOf(word, draws.auction.initialBid));
    // On average until as many auctions have opened as are in flight (nextAuctionLengthMs).
    const horizon = Math.max(2 * (timeOf(number + eventsInFlight) - dateTime), 1);
    const itemName = wordsOf(word, itemNameMax, draws.auction.nameLength, draws.auction.namePlace);
    const description = wordsOf(
      word,
      descriptionMax,
      draws.auction.descriptionLength,
      draws.auction.descriptionPlace,
    );
    const size = 6 * numberBytes + itemName.length + description.length;
    return new GeneratedAuction(
      "auction",
      firstAuctionId + last,
      itemName,
      description,
      initialBid,
      initialBid + priceOf(drawOf(word, draws.auction.reserve)),
      dateTime,
      dateTime + 1 + belowMany(horizon, drawOf(word, draws.auction.expires)),
      firstPersonId + seller,
      firstCategoryId + below(categories, drawOf(word, draws.auction.category)),
      extraOf(word, auctionBytes - size, draws.auction.extraLength, draws.auction.extraPlace),
    );
  };

  const bidAt = (word: number, dateTime: number, lastAuction: number, lastPerson: number): Bid => {
    const auction = below(hotAuctionRatio, drawOf(word, draws.bid.hotAuction)) > 0
      ? hot(lastAuction)
      : someAuction(drawOf(word, draws.bid.auction), lastAuction);
    const bidder = below(hotBiddersRatio, drawOf(word, draws.bid.hotBidder)) > 0
      ? hot(lastPerson) + 1
      : somePerson(drawOf(word, draws.bid.bidder), lastPerson);
    const isHot = below(hotChannelsRatio, drawOf(word, draws.bid.hotChannel)) > 0;
    const channel = below(isHot ? hotChannels.length : channels.length, drawOf(word, draws.bid.channel));
    return new GeneratedBid(
      "bid",
      firstAuctionId + auction,
      firstPersonId + bidder,
      priceOf(drawOf(word, draws.bid.price)),
      isHot ? hotChannels[channel] : channels[channel],
      isHot ? hotUrls[channel] : urls[channel],
      dateTime,
      extraOf(word, bidBytes - 4 * numberBytes, draws.bid.extraLength, draws.bid.extraPlace),
    );
  };

  return (n) => {
    const place = n % groupSize;
    const number = n - place + place * shuffle % groupSize;
    const word = eventWord(seedWord, number);
    const dateTime = timeOf(number);
    const offset = number % totalProportion;
    const rounds = (number - offset) / totalProportion;
    // One person a round, and it is the first.
    if (offset < personProportion) return personAt(word, dateTime, rounds);
    const opened = rounds * auctionProportion;
    return offset < personProportion + auctionProportion
      ? auctionAt(word, number, dateTime, opened + offset - personProportion, rounds)
      : bidAt(word, dateTime, opened + auctionProportion - 1, rounds);
  };
};

/** Event `n`. Where many are made, {@link eventsOf} makes them faster. */
export const eventAt = (n: number, options: GeneratorOptions = {}): Event => eventsOf(options)(n);

/** A 32-bit digest of the first `count` events: their texts, each followed by a line feed. */
export const digestOfEvents = (count: number, options: GeneratorOptions = {}): number => {
  const at = eventsOf(options);
  let digest = digestBasis;
  for (let n = 0; n < count; n++) digest = digestOf("\n", digestOf(eventText(at(n)), digest));
  return digest;
};
