/**
 * The queries that report on what stands for a day, by hand.
 *
 * @module
 */
import type { Bid } from "../../nexmark/event.ts";
import { type Emit, type MakeLoop, Windows } from "./loop.ts";

const dayMillis = 600_000;
const minuteMillis = 60_000;

const rankOf = (price: number): number => price < 10_000 ? 0 : price < 1_000_000 ? 1 : 2;

/** How many different ids there are in all, and on each level of price. */
class Distinct {
  readonly ranks: [number, number, number] = [0, 0, 0];
  readonly #seen = new Map<number, number>();

  get total(): number {
    return this.#seen.size;
  }

  add(id: number, rank: number): void {
    const bits = this.#seen.get(id) ?? 0;
    const bit = 1 << rank;
    if ((bits & bit) !== 0) return;
    this.#seen.set(id, bits | bit);
    this.ranks[rank]++;
  }
}

class Report {
  minute = 0;
  readonly #bids = [0, 0, 0];
  readonly #bidders = new Distinct();
  readonly #auctions = new Distinct();

  add({ price, bidder, auction, dateTime }: Bid): void {
    const rank = rankOf(price);
    this.minute = Math.max(this.minute, Math.floor(dateTime / minuteMillis));
    this.#bids[rank]++;
    this.#bidders.add(bidder, rank);
    this.#auctions.add(auction, rank);
  }

  numbers() {
    const [rank1Bids, rank2Bids, rank3Bids] = this.#bids;
    const [rank1Bidders, rank2Bidders, rank3Bidders] = this.#bidders.ranks;
    const [rank1Auctions, rank2Auctions, rank3Auctions] = this.#auctions.ranks;
    return {
      totalBids: rank1Bids + rank2Bids + rank3Bids,
      rank1Bids,
      rank2Bids,
      rank3Bids,
      totalBidders: this.#bidders.total,
      rank1Bidders,
      rank2Bidders,
      rank3Bidders,
      totalAuctions: this.#auctions.total,
      rank1Auctions,
      rank2Auctions,
      rank3Auctions,
    };
  }
}

const perDay = <State>(
  outOfOrderMillis: number,
  make: () => State,
  close: (day: number, state: State) => void,
): Windows<State> => new Windows({ sizeMillis: dayMillis, outOfOrderMillis, make, close });

export const q15: MakeLoop = (emit, outOfOrderMillis) => {
  const windows = perDay(
    outOfOrderMillis,
    () => new Report(),
    (day, report) => emit({ day, ...report.numbers(), end: day + dayMillis }),
  );
  return { bid: (bid) => windows.at(bid.dateTime).add(bid), end: () => windows.end() };
};

export const q16: MakeLoop = (emit, outOfOrderMillis) => {
  const windows = perDay(outOfOrderMillis, () => new Map<string, Report>(), (day, reports) => {
    for (const [channel, report] of reports) {
      emit({ channel, day, minute: report.minute, ...report.numbers(), end: day + dayMillis });
    }
  });
  return {
    bid: (bid) => {
      const reports = windows.at(bid.dateTime);
      let report = reports.get(bid.channel);
      if (report === undefined) reports.set(bid.channel, report = new Report());
      report.add(bid);
    },
    end: () => windows.end(),
  };
};

interface Prices {
  readonly ranks: [number, number, number];
  min: number;
  max: number;
  sum: number;
}

const sayPrices = (emit: Emit, day: number, prices: ReadonlyMap<number, Prices>): void => {
  for (const [auction, { ranks: [rank1Bids, rank2Bids, rank3Bids], min, max, sum }] of prices) {
    const totalBids = rank1Bids + rank2Bids + rank3Bids;
    emit({
      auction,
      day,
      totalBids,
      rank1Bids,
      rank2Bids,
      rank3Bids,
      minPrice: min,
      maxPrice: max,
      avgPrice: Math.floor(sum / totalBids),
      sumPrice: sum,
      end: day + dayMillis,
    });
  }
};

export const q17: MakeLoop = (emit, outOfOrderMillis) => {
  const windows = perDay(
    outOfOrderMillis,
    () => new Map<number, Prices>(),
    (day, prices) => sayPrices(emit, day, prices),
  );
  return {
    bid: ({ auction, price, dateTime }) => {
      const auctions = windows.at(dateTime);
      let prices = auctions.get(auction);
      if (prices === undefined) auctions.set(auction, prices = { ranks: [0, 0, 0], min: price, max: price, sum: 0 });
      prices.ranks[rankOf(price)]++;
      prices.min = Math.min(prices.min, price);
      prices.max = Math.max(prices.max, price);
      prices.sum += price;
    },
    end: () => windows.end(),
  };
};
