/**
 * The benchmark's events, and its queries against an oracle that shares nothing with them.
 */
import assert from "node:assert/strict";
import { Flow, Job, Sink } from "@weir/streams";
import { digestOf, RowsDigest } from "../bench/nexmark/digest.ts";
import type { Auction, Bid, Event, Person } from "../bench/nexmark/event.ts";
import { expected, expectedOfEvents } from "../bench/nexmark/expected.ts";
import {
  defaultEventsPerSecond,
  digestOfEvents,
  eventAt,
  eventsOf,
  firstEventTime,
  type GeneratorOptions,
  outOfOrderBoundMillis,
} from "../bench/nexmark/generator.ts";
import { type Oracle, oracles } from "../bench/nexmark/oracle.ts";
import { priceOf, priceSteps } from "../bench/nexmark/prices.ts";
import { queries, queryOf } from "../bench/nexmark/queries.ts";
import { canonical, type NexmarkQuery } from "../bench/nexmark/query.ts";
import { below, belowMany } from "../bench/nexmark/random.ts";
import { eventTime, nexmarkSource, type NexmarkSourceOptions } from "../bench/nexmark/source.ts";
import { assertSameBag, run } from "./support.ts";

// ---------------------------------------------------------------------------------------------------------------------
// Events

/** The first events, by their kinds. */
const firstEvents = (count: number, options: GeneratorOptions = {}) => {
  const at = eventsOf(options);
  const all = Array.from({ length: count }, (_, n) => at(n));
  const of = <E extends Event>(kind: E["kind"]): ReadonlyArray<E> =>
    all.filter((event): event is E => event.kind === kind);
  return { all, people: of<Person>("person"), auctions: of<Auction>("auction"), bids: of<Bid>("bid") };
};

/** Checks that a share is what was expected, within four standard errors. */
const assertShare = (count: number, of: number, expected: number, what: string): void => {
  const share = count / of;
  const error = Math.sqrt(expected * (1 - expected) / of);
  assert.ok(Math.abs(share - expected) < 4 * error, `${what}: ${share} and not about ${expected}`);
};

/** How many of some values hold for a predicate. */
const countOf = <A>(values: ReadonlyArray<A>, holds: (value: A) => boolean): number => values.filter(holds).length;

Deno.test("the digests of the events are those that every other port of the generator has", () => {
  assert.equal(digestOf("a"), 0xe40c292c); // of the authors' test vectors for FNV-1a
  assert.equal(digestOfEvents(1_000), 3_686_857_215);
  assert.equal(digestOfEvents(100_000), 3_641_763_279);
  assert.equal(digestOfEvents(10_000, { seed: 2 }), 2_955_879_295);
});

Deno.test("half a word at a time, a range is drawn from as it is by the whole word", () => {
  const words = [0, 1, -1, 0x7fffffff, -0x80000000, 0x12345678, -0x65432110, 0xffff, 0x10000];
  for (const bound of [1, 2, 3, 50, 10_000, 2 ** 15]) {
    for (const word of words) assert.equal(below(bound, word), belowMany(bound, word), `${bound} of ${word}`);
  }
});

Deno.test("an event depends on its number and the options alone", () => {
  const options = { seed: 5, eventsPerSecond: 777, groupSize: 10 };
  const { all } = firstEvents(500, options);
  for (const n of [499, 0, 250, 3, 3]) assert.deepEqual(eventAt(n, options), all[n]);
  assert.notDeepEqual(eventAt(7, { ...options, seed: 6 }), all[7]);
});

Deno.test("of fifty events one is a person, three are auctions and the others bids", () => {
  const { people, auctions, bids } = firstEvents(50_000);
  assert.deepEqual([people.length, auctions.length, bids.length], [1_000, 3_000, 46_000]);
  assert.deepEqual(
    people.map(({ id }) => id).sort((a, b) => a - b),
    Array.from({ length: 1_000 }, (_, k) => 1_000 + k),
  );
  assert.deepEqual(
    auctions.map(({ id }) => id).sort((a, b) => a - b),
    Array.from({ length: 3_000 }, (_, k) => 1_000 + k),
  );
});

Deno.test("half of the bids are for the hot auction and by hot channels, three quarters by the hot bidder", () => {
  const { bids, auctions } = firstEvents(200_000, { groupSize: 1 });
  // One of the other auctions, and of the other people, is the hot one too: by chance one in 111, or in 1,010.
  assertShare(countOf(bids, ({ auction }) => auction % 100 === 0), bids.length, 1 / 2 + 1 / 2 / 100, "hot auctions");
  assertShare(countOf(bids, ({ bidder }) => bidder % 100 === 1), bids.length, 3 / 4 + 1 / 4 / 100, "hot bidders");
  assertShare(
    countOf(auctions, ({ seller }) => seller % 100 === 0),
    auctions.length,
    3 / 4 + 1 / 4 / 100,
    "hot sellers",
  );
  assertShare(countOf(bids, ({ channel }) => !channel.startsWith("channel-")), bids.length, 1 / 2, "hot channels");
  const channels = new Set(bids.map(({ channel }) => channel));
  assert.ok(channels.size > 9_900 && channels.size <= 10_004, `${channels.size} channels`);
  const others = bids.filter(({ channel }) => channel.startsWith("channel-"));
  assertShare(countOf(others, ({ url }) => url.includes("&channel_id=")), others.length, 9 / 10, "ids of channels");
});

Deno.test("bids are by people and for auctions that are active, or about to be", () => {
  const { all } = firstEvents(200_000, { groupSize: 1 });
  let person = 0;
  let auction = 0;
  for (const event of all) {
    if (event.kind === "person") person = event.id;
    else if (event.kind === "auction") auction = event.id;
    else {
      assert.ok(event.auction >= 1_000 && event.auction <= auction + 10, `auction ${event.auction} after ${auction}`);
      assert.ok(event.auction >= auction - 100, `auction ${event.auction} after ${auction}`);
      assert.ok(event.bidder >= 1_000 && event.bidder <= person + 10, `bidder ${event.bidder} after ${person}`);
      assert.ok(event.bidder > person - 1_000, `bidder ${event.bidder} after ${person}`);
    }
  }
});

Deno.test("events have the sizes of the benchmark on average", () => {
  const { people, auctions, bids } = firstEvents(100_000);
  const mean = (sizes: ReadonlyArray<number>): number => sizes.reduce((a, b) => a + b) / sizes.length;
  const personSize = mean(
    people.map(({ name, emailAddress, creditCard, city, state, extra }) =>
      8 + [name, emailAddress, creditCard, city, state, extra].join("").length
    ),
  );
  const auctionSize = mean(
    auctions.map(({ itemName, description, extra }) => 48 + [itemName, description, extra].join("").length),
  );
  const bidSize = mean(bids.map(({ extra }) => 32 + extra.length));
  assert.ok(Math.abs(personSize - 200) < 4, `people: ${personSize}`);
  assert.ok(Math.abs(auctionSize - 500) < 5, `auctions: ${auctionSize}`);
  assert.ok(Math.abs(bidSize - 100) < 1, `bids: ${bidSize}`);
});

Deno.test("each power of ten has a sixth of the prices", () => {
  const { bids } = firstEvents(100_000);
  for (let from = 100; from < 100_000_000; from *= 10) {
    const within = countOf(bids, ({ price }) => price >= from && price < 10 * from);
    assertShare(within, bids.length, 1 / 6, `prices from ${from}`);
  }
  assert.equal(priceOf(0), 100);
  assert.ok(priceOf(-1) < 100_000_000);
  for (let k = 1; k < priceSteps.length; k++) assert.ok(priceSteps[k] >= priceSteps[k - 1], `step ${k}`);
  const exact = (k: number): number => 100 * 10 ** (k / 1_024);
  assert.ok(priceSteps.every((price, k) => Math.abs(price / exact(k) - 1) < 0.01));
});

Deno.test("an event's time is that of its place in its group, and never further back than the bound", () => {
  for (const options of [{}, { groupSize: 1 }, { groupSize: 10, eventsPerSecond: 3 }, { groupSize: 100 }]) {
    const { all } = firstEvents(20_000, options);
    const bound = outOfOrderBoundMillis(options);
    let greatest = -Infinity;
    let furthest = 0;
    for (const { dateTime } of all) {
      furthest = Math.max(furthest, greatest - dateTime);
      greatest = Math.max(greatest, dateTime);
    }
    assert.ok(furthest <= bound, `${furthest} beyond ${bound}`);
    assert.ok(furthest > bound * 0.8 - 1, `${furthest} of ${bound}`);
    const { eventsPerSecond = defaultEventsPerSecond } = options;
    const times = all.map(({ dateTime }) => dateTime).sort((a, b) => a - b);
    const lengthOf = (options as GeneratorOptions).groupSize ?? 1_000;
    const whole = all.length - all.length % lengthOf; // the last group may have begun only
    const inOrder = Array.from({ length: whole }, (_, k) => firstEventTime + Math.floor(k * 1_000 / eventsPerSecond));
    assert.deepEqual(times.slice(0, whole - lengthOf), inOrder.slice(0, whole - lengthOf));
  }
});

Deno.test("the splits of the source have every event once", async () => {
  for (const splits of [1, 3]) {
    const { seen } = await answer(queryOf("q2"), { events: 5_000, splits });
    assertSameBag(seen, firstEvents(5_000).all, `${splits} splits`);
  }
});

// ---------------------------------------------------------------------------------------------------------------------
// Queries

/** Runs a query over the first events: its rows, and the events in the order in which they came. */
const answer = async (query: NexmarkQuery, source: NexmarkSourceOptions, options: Job.RunOptions = {}) => {
  const seen: Array<Event> = [];
  const sink = Sink.memory<unknown>("rows");
  const events = Flow.from(nexmarkSource(source)).pipe(
    Flow.map((event) => {
      seen.push(event);
      return event;
    }),
    Flow.eventTime(eventTime(source)),
  );
  const job = Job.make({
    name: query.name,
    guarantee: "exactly-once",
    flows: [query.build(events).pipe(Flow.to(sink))],
  });
  const { metrics } = await run(job, options);
  return { seen, rows: sink.values(), operators: Object.values(metrics.operators) };
};

/** Rows of which the clock has a say in what they are, made such that it has none. */
const withoutClock: { readonly [query: string]: (rows: ReadonlyArray<unknown>) => ReadonlyArray<unknown> } = {
  q12: (rows) => {
    const totals = new Map<number, number>();
    for (const { bidder, bids, start, end } of rows as ReadonlyArray<{ [name: string]: number }>) {
      assert.equal(end - start, 10_000);
      assert.equal(start % 10_000, 0);
      totals.set(bidder, (totals.get(bidder) ?? 0) + bids);
    }
    return [...totals].map(([bidder, bids]) => ({ bidder, bids }));
  },
};

interface Run {
  readonly source: NexmarkSourceOptions;
  readonly options: Job.RunOptions;
}

/** The events that {@link expected} is about. */
const first: NexmarkSourceOptions = { events: expectedOfEvents };

const runs: ReadonlyArray<Run> = [
  { source: first, options: { keyedPartitions: 4 } },
  {
    source: { events: 20_000, seed: 7, splits: 3 },
    options: { keyedPartitions: 1, batchRecordsMax: 100, epochRecordsMax: 3_000 },
  },
  // A slower auction house: thirteen windows of ten seconds, of which some sessions end.
  { source: { events: 4_000, seed: 11, splits: 2, eventsPerSecond: 30 }, options: { keyedPartitions: 3 } },
];

for (const query of queries) {
  Deno.test(`${query.name} answers: ${query.says}`, async () => {
    const oracle: Oracle = oracles[query.name];
    for (const { source, options } of runs) {
      const { seen, rows, operators } = await answer(query, source, options);
      const answers = oracle(seen);
      assert.ok(answers.length > 0, "there is something to compare");
      const got = withoutClock[query.name]?.(rows) ?? rows;
      // Texts, so that the order of the fields counts.
      assertSameBag(got.map(canonical), answers.map(canonical), `${query.name} of ${JSON.stringify(source)}`);
      for (const { late = 0 } of operators) assert.equal(late, 0, "nothing is late");
      if (source === first) {
        const digest = new RowsDigest();
        for (const { text, times } of rows.map(query.checked)) digest.add(text, times);
        assert.equal(digest.value, expected[query.name].digest, "the digest of every port");
        if (!(query.name in withoutClock)) assert.equal(digest.rows, expected[query.name].rows);
      }
      if (query.rowAt !== null) assert.ok(rows.every((row) => Number.isSafeInteger(query.rowAt!.of(row))));
    }
  });
}
