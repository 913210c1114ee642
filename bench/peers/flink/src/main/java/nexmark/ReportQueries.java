package nexmark;

import java.io.IOException;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * The queries that count different bidders and auctions of a day.
 *
 * <p>A state of its own holds the levels of price at which a bidder or an auction was seen, so that a record writes one entry
 * of it and not a set. Flink's planner does the same for COUNT(DISTINCT …) FILTER (…). The day is part of the key.
 */
final class ReportQueries {
  private static final long MINUTE_MILLIS = 60_000;

  /** The channel of a report on all of them. */
  private static final String ALL = "";

  private ReportQueries() {}

  /** What the reports need of a bid. */
  public static final class Seen {
    String channel;
    long price;
    long bidder;
    long auction;
    long dateTime;
  }

  /** The bytes of what the reports need of a bid. */
  public static final class SeenCodec extends Codec<Seen> {
    private static final long serialVersionUID = 1;

    @Override
    void write(Seen value, DataOutputView out) throws IOException {
      writeText(value.channel, out);
      out.writeLong(value.price);
      out.writeLong(value.bidder);
      out.writeLong(value.auction);
      out.writeLong(value.dateTime);
    }

    @Override
    Seen read(DataInputView in) throws IOException {
      Seen value = new Seen();
      value.channel = readText(in);
      value.price = in.readLong();
      value.bidder = in.readLong();
      value.auction = in.readLong();
      value.dateTime = in.readLong();
      return value;
    }
  }

  /** The numbers of a report, by level of price; one more of the totals. */
  public static final class Report implements Row {
    public boolean isOfChannel;
    public String channel;
    public long day;
    public long minute;
    public long[] bids = new long[4];
    public long[] bidders = new long[4];
    public long[] auctions = new long[4];

    @Override
    public void json(Json out) {
      out.begin();
      if (isOfChannel) out.add("channel", channel);
      out.add("day", day);
      if (isOfChannel) out.add("minute", minute);
      out.add("totalBids", bids[3]).add("rank1Bids", bids[0]).add("rank2Bids", bids[1]).add("rank3Bids", bids[2])
          .add("totalBidders", bidders[3]).add("rank1Bidders", bidders[0]).add("rank2Bidders", bidders[1])
          .add("rank3Bidders", bidders[2])
          .add("totalAuctions", auctions[3]).add("rank1Auctions", auctions[0]).add("rank2Auctions", auctions[1])
          .add("rank3Auctions", auctions[2])
          .add("end", day + WindowQueries.DAY_MILLIS).end();
    }
  }

  /** The bytes of the numbers so far; channel and day are in the key. */
  public static final class ReportCodec extends Codec<Report> {
    private static final long serialVersionUID = 1;

    @Override
    void write(Report value, DataOutputView out) throws IOException {
      out.writeLong(value.minute);
      for (long number : value.bids) out.writeLong(number);
      for (long number : value.bidders) out.writeLong(number);
      for (long number : value.auctions) out.writeLong(number);
    }

    @Override
    Report read(DataInputView in) throws IOException {
      Report value = new Report();
      value.minute = in.readLong();
      read(value.bids, in);
      read(value.bidders, in);
      read(value.auctions, in);
      return value;
    }

    private static void read(long[] numbers, DataInputView in) throws IOException {
      for (int k = 0; k < numbers.length; k++) numbers[k] = in.readLong();
    }

    @Override
    public Report copy(Report from) {
      Report to = new Report();
      to.minute = from.minute;
      to.bids = from.bids.clone();
      to.bidders = from.bidders.clone();
      to.auctions = from.auctions.clone();
      return to;
    }
  }

  static DataStream<Report> q15(StreamExecutionEnvironment environment, Generator generator, int events) {
    return report(environment, generator, events, false);
  }

  static DataStream<Report> q16(StreamExecutionEnvironment environment, Generator generator, int events) {
    return report(environment, generator, events, true);
  }

  private static DataStream<Report> report(
      StreamExecutionEnvironment environment, Generator generator, int events, boolean isOfChannel) {
    TypeInformation<Seen> type = new SeenCodec().type(Seen.class);
    return Bids.of(environment, generator, events, type, (bid, out) -> {
          Seen seen = new Seen();
          seen.channel = isOfChannel ? bid.channel : ALL;
          seen.price = bid.price;
          seen.bidder = bid.bidder;
          seen.auction = bid.auction;
          seen.dateTime = bid.dateTime;
          out.collect(seen);
        })
        .keyBy(
            (KeySelector<Seen, Tuple2<String, Long>>)
                seen -> Tuple2.of(seen.channel, seen.dateTime - seen.dateTime % WindowQueries.DAY_MILLIS),
            Types.TUPLE(Types.STRING, Types.LONG))
        .process(new Reporter(isOfChannel))
        .returns(Types.POJO(Report.class))
        .name("report of a day");
  }

  private static final class Reporter extends KeyedProcessFunction<Tuple2<String, Long>, Seen, Report> {
    private static final long serialVersionUID = 1;

    private final boolean isOfChannel;
    private transient ValueState<Report> state;
    private transient MapState<Long, Byte> ranksOfBidder;
    private transient MapState<Long, Byte> ranksOfAuction;

    Reporter(boolean isOfChannel) {
      this.isOfChannel = isOfChannel;
    }

    @Override
    public void open(OpenContext context) {
      state = getRuntimeContext().getState(
          new ValueStateDescriptor<>("numbers", new ReportCodec().type(Report.class)));
      ranksOfBidder = getRuntimeContext().getMapState(new MapStateDescriptor<>("bidders", Types.LONG, Types.BYTE));
      ranksOfAuction = getRuntimeContext().getMapState(new MapStateDescriptor<>("auctions", Types.LONG, Types.BYTE));
    }

    @Override
    public void processElement(Seen seen, Context context, Collector<Report> out) throws Exception {
      Report report = state.value();
      if (report == null) {
        report = new Report();
        long day = context.getCurrentKey().f1;
        context.timerService().registerEventTimeTimer(day + WindowQueries.DAY_MILLIS - 1);
      }
      int rank = Bids.rank(seen.price);
      report.minute = Math.max(report.minute, seen.dateTime / MINUTE_MILLIS);
      report.bids[rank]++;
      report.bids[3]++;
      see(ranksOfBidder, seen.bidder, rank, report.bidders);
      see(ranksOfAuction, seen.auction, rank, report.auctions);
      state.update(report);
    }

    /** Counts an id, unless it was counted on its level, or at all. */
    private static void see(MapState<Long, Byte> ranks, long id, int rank, long[] numbers) throws Exception {
      Byte before = ranks.get(id);
      int bits = before == null ? 0 : before;
      int bit = 1 << rank;
      if ((bits & bit) != 0) return;
      ranks.put(id, (byte) (bits | bit));
      numbers[rank]++;
      if (bits == 0) numbers[3]++;
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Report> out) throws Exception {
      Report report = state.value();
      report.isOfChannel = isOfChannel;
      report.channel = context.getCurrentKey().f0;
      report.day = context.getCurrentKey().f1;
      out.collect(report);
      state.clear();
      ranksOfBidder.clear();
      ranksOfAuction.clear();
    }
  }
}
