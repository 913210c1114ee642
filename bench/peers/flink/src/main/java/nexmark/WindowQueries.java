package nexmark;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.AllWindowFunction;
import org.apache.flink.streaming.api.functions.windowing.WindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.EventTimeSessionWindows;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/** The queries about windows of event time, with Flink's own windows and aggregates that grow with each record. */
final class WindowQueries {
  private static final long SIZE_MILLIS = 10_000;
  private static final Duration SIZE = Duration.ofMillis(SIZE_MILLIS);
  private static final Duration SLIDE = Duration.ofSeconds(2);

  /** What stands for a day. */
  static final long DAY_MILLIS = 600_000;

  private WindowQueries() {}

  // q5

  /** How many bids an auction has in the window that ends at an instant. */
  public static final class AuctionBids implements Row {
    static final TypeInformation<AuctionBids> TYPE = new AuctionBidsCodec().type(AuctionBids.class);

    public long auction;
    public long num;
    public long end;

    static AuctionBids of(long auction, long num, long end) {
      AuctionBids row = new AuctionBids();
      row.auction = auction;
      row.num = num;
      row.end = end;
      return row;
    }

    @Override
    public void json(Json out) {
      out.begin().add("auction", auction).add("num", num).add("end", end).end();
    }
  }

  /** The bytes of a count. */
  public static final class AuctionBidsCodec extends Codec<AuctionBids> {
    private static final long serialVersionUID = 1;

    @Override
    void write(AuctionBids value, DataOutputView out) throws IOException {
      out.writeLong(value.auction);
      out.writeLong(value.num);
      out.writeLong(value.end);
    }

    @Override
    AuctionBids read(DataInputView in) throws IOException {
      return AuctionBids.of(in.readLong(), in.readLong(), in.readLong());
    }
  }

  /**
   * Flink's sliding windows add each record to every window that holds it. So bids are counted in windows of one slide
   * first, and what slides are those counts, which are where their key belongs already.
   */
  static DataStream<AuctionBids> q5(StreamExecutionEnvironment environment, Generator generator, int events) {
    DataStream<AuctionBids> slides =
        Bids.of(environment, generator, events, Types.LONG, (bid, out) -> out.collect(bid.auction))
            .keyBy(auction -> auction)
            .window(TumblingEventTimeWindows.of(SLIDE))
            .aggregate(new Count<Long>(), new EndOfCount(), Types.LONG, AuctionBids.TYPE)
            .name("bids per auction and slide");
    return DataStreamUtils.reinterpretAsKeyedStream(slides, bids -> bids.auction, Types.LONG)
        .window(SlidingEventTimeWindows.of(SIZE, SLIDE))
        .aggregate(new SumOfCounts(), new EndOfCount(), Types.LONG, AuctionBids.TYPE)
        .name("bids per auction")
        .keyBy(bids -> bids.end)
        .window(TumblingEventTimeWindows.of(SLIDE))
        .aggregate(new MostBids(), new HotAuctions(), new AuctionsCodec().type(Auctions.class), AuctionBids.TYPE)
        .name("hot auctions");
  }

  private static final class Count<T> implements AggregateFunction<T, Long, Long> {
    private static final long serialVersionUID = 1;

    @Override
    public Long createAccumulator() {
      return 0L;
    }

    @Override
    public Long add(T value, Long count) {
      return count + 1;
    }

    @Override
    public Long getResult(Long count) {
      return count;
    }

    @Override
    public Long merge(Long a, Long b) {
      return a + b;
    }
  }

  private static final class SumOfCounts implements AggregateFunction<AuctionBids, Long, Long> {
    private static final long serialVersionUID = 1;

    @Override
    public Long createAccumulator() {
      return 0L;
    }

    @Override
    public Long add(AuctionBids value, Long sum) {
      return sum + value.num;
    }

    @Override
    public Long getResult(Long sum) {
      return sum;
    }

    @Override
    public Long merge(Long a, Long b) {
      return a + b;
    }
  }

  private static final class EndOfCount implements WindowFunction<Long, AuctionBids, Long, TimeWindow> {
    private static final long serialVersionUID = 1;

    @Override
    public void apply(Long auction, TimeWindow window, Iterable<Long> counts, Collector<AuctionBids> out) {
      for (long count : counts) out.collect(AuctionBids.of(auction, count, window.getEnd()));
    }
  }

  /** The auctions with the most bids so far. */
  public static final class Auctions {
    long num = -1;
    List<Long> auctions = new ArrayList<>();
  }

  /** The bytes of the auctions with the most bids. */
  public static final class AuctionsCodec extends Codec<Auctions> {
    private static final long serialVersionUID = 1;

    @Override
    void write(Auctions value, DataOutputView out) throws IOException {
      out.writeLong(value.num);
      out.writeInt(value.auctions.size());
      for (long auction : value.auctions) out.writeLong(auction);
    }

    @Override
    Auctions read(DataInputView in) throws IOException {
      Auctions value = new Auctions();
      value.num = in.readLong();
      for (int left = in.readInt(); left > 0; left--) value.auctions.add(in.readLong());
      return value;
    }

    @Override
    public Auctions copy(Auctions from) {
      Auctions to = new Auctions();
      to.num = from.num;
      to.auctions.addAll(from.auctions);
      return to;
    }
  }

  private static final class MostBids implements AggregateFunction<AuctionBids, Auctions, Auctions> {
    private static final long serialVersionUID = 1;

    @Override
    public Auctions createAccumulator() {
      return new Auctions();
    }

    @Override
    public Auctions add(AuctionBids value, Auctions most) {
      if (value.num > most.num) {
        most.num = value.num;
        most.auctions.clear();
      }
      if (value.num == most.num) most.auctions.add(value.auction);
      return most;
    }

    @Override
    public Auctions getResult(Auctions most) {
      return most;
    }

    @Override
    public Auctions merge(Auctions a, Auctions b) {
      if (a.num == b.num) a.auctions.addAll(b.auctions);
      return a.num >= b.num ? a : b;
    }
  }

  private static final class HotAuctions implements WindowFunction<Auctions, AuctionBids, Long, TimeWindow> {
    private static final long serialVersionUID = 1;

    @Override
    public void apply(Long end, TimeWindow window, Iterable<Auctions> results, Collector<AuctionBids> out) {
      for (Auctions most : results) {
        for (long auction : most.auctions) out.collect(AuctionBids.of(auction, most.num, end));
      }
    }
  }

  // q7

  /** A bid that is the highest of the window that ends at an instant. */
  public static final class HighBid implements Row {
    static final TypeInformation<HighBid> TYPE = new HighBidCodec().type(HighBid.class);

    public long auction;
    public long price;
    public long bidder;
    public long dateTime;
    public String extra;
    public long end;

    @Override
    public void json(Json out) {
      out.begin().add("auction", auction).add("price", price).add("bidder", bidder).add("dateTime", dateTime)
          .add("extra", extra).add("end", end).end();
    }
  }

  /** The bytes of a bid of which the rest is not asked for. */
  public static final class HighBidCodec extends Codec<HighBid> {
    private static final long serialVersionUID = 1;

    @Override
    void write(HighBid value, DataOutputView out) throws IOException {
      out.writeLong(value.auction);
      out.writeLong(value.price);
      out.writeLong(value.bidder);
      out.writeLong(value.dateTime);
      writeText(value.extra, out);
      out.writeLong(value.end);
    }

    @Override
    HighBid read(DataInputView in) throws IOException {
      HighBid value = new HighBid();
      value.auction = in.readLong();
      value.price = in.readLong();
      value.bidder = in.readLong();
      value.dateTime = in.readLong();
      value.extra = readText(in);
      value.end = in.readLong();
      return value;
    }
  }

  /**
   * Lets the bids through that no earlier one of the same window exceeds, as far as it remembers. It may forget, as after a
   * failure: then more bids go through.
   */
  private static final class HighBids implements Bids.Take<HighBid> {
    private static final long serialVersionUID = 1;

    private final long[] ends = new long[2];
    private final long[] prices = new long[2];

    @Override
    public void from(Bid bid, Collector<HighBid> out) {
      long end = bid.dateTime - bid.dateTime % SIZE_MILLIS + SIZE_MILLIS;
      // Of two neighbouring windows, between which the time may go to and fro, each has a place of its own.
      int place = (int) (end / SIZE_MILLIS) & 1;
      if (ends[place] < end) {
        ends[place] = end;
        prices[place] = 0;
      }
      if (ends[place] == end) {
        if (bid.price < prices[place]) return;
        prices[place] = bid.price;
      }
      HighBid high = new HighBid();
      high.auction = bid.auction;
      high.price = bid.price;
      high.bidder = bid.bidder;
      high.dateTime = bid.dateTime;
      high.extra = bid.extra;
      high.end = end;
      out.collect(high);
    }
  }

  static DataStream<HighBid> q7(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, HighBid.TYPE, new HighBids())
        .windowAll(TumblingEventTimeWindows.of(SIZE))
        .aggregate(new Highest(), new HighestOf(), new HighestBidsCodec().type(HighestBids.class), HighBid.TYPE)
        .name("highest bids");
  }

  /** The highest bids so far. */
  public static final class HighestBids {
    List<HighBid> bids = new ArrayList<>();
  }

  /** The bytes of the highest bids. */
  public static final class HighestBidsCodec extends Codec<HighestBids> {
    private static final long serialVersionUID = 1;

    private static final HighBidCodec BID = new HighBidCodec();

    @Override
    void write(HighestBids value, DataOutputView out) throws IOException {
      out.writeInt(value.bids.size());
      for (HighBid bid : value.bids) BID.write(bid, out);
    }

    @Override
    HighestBids read(DataInputView in) throws IOException {
      HighestBids value = new HighestBids();
      for (int left = in.readInt(); left > 0; left--) value.bids.add(BID.read(in));
      return value;
    }

    @Override
    public HighestBids copy(HighestBids from) {
      HighestBids to = new HighestBids();
      to.bids.addAll(from.bids);
      return to;
    }
  }

  private static final class Highest implements AggregateFunction<HighBid, HighestBids, HighestBids> {
    private static final long serialVersionUID = 1;

    @Override
    public HighestBids createAccumulator() {
      return new HighestBids();
    }

    @Override
    public HighestBids add(HighBid bid, HighestBids highest) {
      long price = highest.bids.isEmpty() ? -1 : highest.bids.get(0).price;
      if (bid.price > price) highest.bids.clear();
      if (bid.price >= price) highest.bids.add(bid);
      return highest;
    }

    @Override
    public HighestBids getResult(HighestBids highest) {
      return highest;
    }

    @Override
    public HighestBids merge(HighestBids a, HighestBids b) {
      for (HighBid bid : b.bids) add(bid, a);
      return a;
    }
  }

  private static final class HighestOf implements AllWindowFunction<HighestBids, HighBid, TimeWindow> {
    private static final long serialVersionUID = 1;

    @Override
    public void apply(TimeWindow window, Iterable<HighestBids> results, Collector<HighBid> out) {
      for (HighestBids highest : results) highest.bids.forEach(out::collect);
    }
  }

  // q11

  /** How many bids a person made between two instants. */
  public static final class BidderBids implements Row {
    public long bidder;
    public long bids;
    public long start;
    public long end;

    static BidderBids of(long bidder, long bids, long start, long end) {
      BidderBids row = new BidderBids();
      row.bidder = bidder;
      row.bids = bids;
      row.start = start;
      row.end = end;
      return row;
    }

    @Override
    public void json(Json out) {
      out.begin().add("bidder", bidder).add("bids", bids).add("start", start).add("end", end).end();
    }
  }

  static DataStream<BidderBids> q11(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, Types.LONG, (bid, out) -> out.collect(bid.bidder))
        .keyBy(bidder -> bidder)
        .window(EventTimeSessionWindows.withGap(SIZE))
        .aggregate(new Count<Long>(), new Session(), Types.LONG, Types.POJO(BidderBids.class))
        .name("bidder sessions");
  }

  private static final class Session implements WindowFunction<Long, BidderBids, Long, TimeWindow> {
    private static final long serialVersionUID = 1;

    @Override
    public void apply(Long bidder, TimeWindow session, Iterable<Long> counts, Collector<BidderBids> out) {
      for (long bids : counts) out.collect(BidderBids.of(bidder, bids, session.getStart(), session.getEnd()));
    }
  }

  // q17

  /** The price of a bid for an auction. */
  public static final class AuctionPrice {
    static final TypeInformation<AuctionPrice> TYPE = new AuctionPriceCodec().type(AuctionPrice.class);

    long auction;
    long price;

    static AuctionPrice of(long auction, long price) {
      AuctionPrice value = new AuctionPrice();
      value.auction = auction;
      value.price = price;
      return value;
    }
  }

  /** The bytes of the price of a bid. */
  public static final class AuctionPriceCodec extends Codec<AuctionPrice> {
    private static final long serialVersionUID = 1;

    @Override
    void write(AuctionPrice value, DataOutputView out) throws IOException {
      out.writeLong(value.auction);
      out.writeLong(value.price);
    }

    @Override
    AuctionPrice read(DataInputView in) throws IOException {
      return AuctionPrice.of(in.readLong(), in.readLong());
    }
  }

  /** The bids of an auction by level of price, and the prices. */
  public static final class AuctionReport implements Row {
    public long auction;
    public long day;
    public long rank1Bids;
    public long rank2Bids;
    public long rank3Bids;
    public long minPrice = Long.MAX_VALUE;
    public long maxPrice = Long.MIN_VALUE;
    public long sumPrice;

    @Override
    public void json(Json out) {
      long totalBids = rank1Bids + rank2Bids + rank3Bids;
      out.begin().add("auction", auction).add("day", day).add("totalBids", totalBids).add("rank1Bids", rank1Bids)
          .add("rank2Bids", rank2Bids).add("rank3Bids", rank3Bids).add("minPrice", minPrice).add("maxPrice", maxPrice)
          .add("avgPrice", sumPrice / totalBids).add("sumPrice", sumPrice).add("end", day + DAY_MILLIS).end();
    }
  }

  /** The bytes of a report. */
  public static final class AuctionReportCodec extends Codec<AuctionReport> {
    private static final long serialVersionUID = 1;

    @Override
    void write(AuctionReport value, DataOutputView out) throws IOException {
      out.writeLong(value.rank1Bids);
      out.writeLong(value.rank2Bids);
      out.writeLong(value.rank3Bids);
      out.writeLong(value.minPrice);
      out.writeLong(value.maxPrice);
      out.writeLong(value.sumPrice);
    }

    @Override
    AuctionReport read(DataInputView in) throws IOException {
      AuctionReport value = new AuctionReport();
      value.rank1Bids = in.readLong();
      value.rank2Bids = in.readLong();
      value.rank3Bids = in.readLong();
      value.minPrice = in.readLong();
      value.maxPrice = in.readLong();
      value.sumPrice = in.readLong();
      return value;
    }

    @Override
    public AuctionReport copy(AuctionReport from) {
      AuctionReport to = new AuctionReport();
      to.rank1Bids = from.rank1Bids;
      to.rank2Bids = from.rank2Bids;
      to.rank3Bids = from.rank3Bids;
      to.minPrice = from.minPrice;
      to.maxPrice = from.maxPrice;
      to.sumPrice = from.sumPrice;
      return to;
    }
  }

  static DataStream<AuctionReport> q17(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, AuctionPrice.TYPE,
            (bid, out) -> out.collect(AuctionPrice.of(bid.auction, bid.price)))
        .keyBy(bid -> bid.auction)
        .window(TumblingEventTimeWindows.of(Duration.ofMillis(DAY_MILLIS)))
        .aggregate(new Prices(), new DayOfAuction(), new AuctionReportCodec().type(AuctionReport.class),
            Types.POJO(AuctionReport.class))
        .name("auctions of a day");
  }

  private static final class Prices implements AggregateFunction<AuctionPrice, AuctionReport, AuctionReport> {
    private static final long serialVersionUID = 1;

    @Override
    public AuctionReport createAccumulator() {
      return new AuctionReport();
    }

    @Override
    public AuctionReport add(AuctionPrice bid, AuctionReport report) {
      int rank = Bids.rank(bid.price);
      if (rank == 0) report.rank1Bids++;
      else if (rank == 1) report.rank2Bids++;
      else report.rank3Bids++;
      report.minPrice = Math.min(report.minPrice, bid.price);
      report.maxPrice = Math.max(report.maxPrice, bid.price);
      report.sumPrice += bid.price;
      return report;
    }

    @Override
    public AuctionReport getResult(AuctionReport report) {
      return report;
    }

    @Override
    public AuctionReport merge(AuctionReport a, AuctionReport b) {
      a.rank1Bids += b.rank1Bids;
      a.rank2Bids += b.rank2Bids;
      a.rank3Bids += b.rank3Bids;
      a.minPrice = Math.min(a.minPrice, b.minPrice);
      a.maxPrice = Math.max(a.maxPrice, b.maxPrice);
      a.sumPrice += b.sumPrice;
      return a;
    }
  }

  private static final class DayOfAuction
      implements WindowFunction<AuctionReport, AuctionReport, Long, TimeWindow> {
    private static final long serialVersionUID = 1;

    @Override
    public void apply(Long auction, TimeWindow day, Iterable<AuctionReport> reports, Collector<AuctionReport> out) {
      for (AuctionReport report : reports) {
        report.auction = auction;
        report.day = day.getStart();
        out.collect(report);
      }
    }
  }
}
