/**
 * The events of an online auction house, after the schema of Nexmark: people register, auctions open, and bids are made.
 *
 * @module
 */

/** Somebody registers. */
export interface Person {
  readonly kind: "person";
  readonly id: number;
  readonly name: string;
  readonly emailAddress: string;
  readonly creditCard: string;
  readonly city: string;
  readonly state: string;
  /** In epoch milliseconds. */
  readonly dateTime: number;
  /** Padding, so that a person has the average size of the benchmark. */
  readonly extra: string;
}

/** Something is put up for sale. */
export interface Auction {
  readonly kind: "auction";
  readonly id: number;
  readonly itemName: string;
  readonly description: string;
  /** In cents. */
  readonly initialBid: number;
  /** In cents: below it nothing is sold. */
  readonly reserve: number;
  /** In epoch milliseconds. */
  readonly dateTime: number;
  /** In epoch milliseconds. */
  readonly expires: number;
  /** A person's id. */
  readonly seller: number;
  readonly category: number;
  /** Padding. */
  readonly extra: string;
}

/** Somebody bids for an auction. */
export interface Bid {
  readonly kind: "bid";
  /** An auction's id. */
  readonly auction: number;
  /** A person's id. */
  readonly bidder: number;
  /** In cents. */
  readonly price: number;
  readonly channel: string;
  readonly url: string;
  /** In epoch milliseconds. */
  readonly dateTime: number;
  /** Padding. */
  readonly extra: string;
}

/** What happens in the auction house. */
export type Event = Person | Auction | Bid;

/** One text for each event, in the order of its fields: what digests are made of, in every language. */
export const eventText = (event: Event): string => {
  switch (event.kind) {
    case "person": {
      const { id, name, emailAddress, creditCard, city, state, dateTime, extra } = event;
      return `person|${id}|${name}|${emailAddress}|${creditCard}|${city}|${state}|${dateTime}|${extra}`;
    }
    case "auction": {
      const { id, itemName, description, initialBid, reserve, dateTime, expires, seller, category, extra } = event;
      return `auction|${id}|${itemName}|${description}|${initialBid}|${reserve}|${dateTime}|${expires}|${seller}|${category}|${extra}`;
    }
    case "bid": {
      const { auction, bidder, price, channel, url, dateTime, extra } = event;
      return `bid|${auction}|${bidder}|${price}|${channel}|${url}|${dateTime}|${extra}`;
    }
  }
};
