package nexmark;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** The queries that look at one event at a time. */
final class StatelessQueries {
  /** What a dollar is in euros, in thousandths. */
  private static final long EUROS_IN_THOUSANDTHS = 908;

  /** One auction in so many is of interest to q2. */
  private static final long AUCTION_EVERY = 123;

  private static final long HOUR_MILLIS = 3_600_000;

  /** The prices in euros that are of interest to q14 lie between these, in thousandths of a cent. */
  private static final long PRICE_ABOVE = 1_000_000_000;
  private static final long PRICE_BELOW = 50_000_000_000L;

  private static final Map<String, String> HOT_CHANNEL_IDS =
      Map.of("apple", "0", "google", "1", "facebook", "2", "baidu", "3");
  private static final Pattern CHANNEL_ID = Pattern.compile("(?:&|^)channel_id=([^&]*)");

  private StatelessQueries() {}

  /** A bid as it is. */
  public static final class WholeBid implements Row {
    public Bid bid;

    @Override
    public void json(Json out) {
      out.begin().add("kind", "bid").add("auction", bid.auction).add("bidder", bid.bidder).add("price", bid.price)
          .add("channel", bid.channel).add("url", bid.url).add("dateTime", bid.dateTime).add("extra", bid.extra).end();
    }
  }

  static DataStream<WholeBid> q0(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, Types.POJO(WholeBid.class), (bid, out) -> {
      WholeBid row = new WholeBid();
      row.bid = bid;
      out.collect(row);
    });
  }

  /** A bid with its price in euros. */
  public static final class EuroBid implements Row {
    public long auction;
    public long bidder;
    public long price;
    public long dateTime;
    public String extra;

    @Override
    public void json(Json out) {
      out.begin().add("auction", auction).add("bidder", bidder).add("price", price).add("dateTime", dateTime)
          .add("extra", extra).end();
    }
  }

  static DataStream<EuroBid> q1(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, Types.POJO(EuroBid.class), (bid, out) -> {
      EuroBid row = new EuroBid();
      row.auction = bid.auction;
      row.bidder = bid.bidder;
      row.price = bid.price * EUROS_IN_THOUSANDTHS;
      row.dateTime = bid.dateTime;
      row.extra = bid.extra;
      out.collect(row);
    });
  }

  /** The price bid for an auction. */
  public static final class AuctionPrice implements Row {
    public long auction;
    public long price;

    @Override
    public void json(Json out) {
      out.begin().add("auction", auction).add("price", price).end();
    }
  }

  static DataStream<AuctionPrice> q2(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, Types.POJO(AuctionPrice.class), (bid, out) -> {
      if (bid.auction % AUCTION_EVERY != 0) return;
      AuctionPrice row = new AuctionPrice();
      row.auction = bid.auction;
      row.price = bid.price;
      out.collect(row);
    });
  }

  /** A bid with the kind of hour and the letters c of the padding. */
  public static final class TimedBid implements Row {
    public long auction;
    public long bidder;
    public long price;
    public String bidTimeType;
    public long dateTime;
    public String extra;
    public long cCounts;

    @Override
    public void json(Json out) {
      out.begin().add("auction", auction).add("bidder", bidder).add("price", price).add("bidTimeType", bidTimeType)
          .add("dateTime", dateTime).add("extra", extra).add("cCounts", cCounts).end();
    }
  }

  static DataStream<TimedBid> q14(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, Types.POJO(TimedBid.class), (bid, out) -> {
      long price = bid.price * EUROS_IN_THOUSANDTHS;
      if (price <= PRICE_ABOVE || price >= PRICE_BELOW) return;
      TimedBid row = new TimedBid();
      row.auction = bid.auction;
      row.bidder = bid.bidder;
      row.price = price;
      row.bidTimeType = bidTimeType(bid.dateTime);
      row.dateTime = bid.dateTime;
      row.extra = bid.extra;
      row.cCounts = count(bid.extra, 'c');
      out.collect(row);
    });
  }

  private static String bidTimeType(long dateTime) {
    long hour = dateTime / HOUR_MILLIS % 24;
    if (hour >= 8 && hour <= 18) return "dayTime";
    return hour <= 6 || hour >= 20 ? "nightTime" : "otherTime";
  }

  private static long count(String text, char letter) {
    long count = 0;
    for (int i = 0; i < text.length(); i++) if (text.charAt(i) == letter) count++;
    return count;
  }

  /** A bid with the id of its channel. */
  public static final class ChannelBid implements Row {
    public long auction;
    public long bidder;
    public long price;
    public String channel;
    public String channelId;

    @Override
    public void json(Json out) {
      out.begin().add("auction", auction).add("bidder", bidder).add("price", price).add("channel", channel)
          .add("channelId", channelId).end();
    }
  }

  static DataStream<ChannelBid> q21(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, Types.POJO(ChannelBid.class), (bid, out) -> {
      String id = channelId(bid.channel, bid.url);
      if (id == null) return;
      ChannelBid row = new ChannelBid();
      row.auction = bid.auction;
      row.bidder = bid.bidder;
      row.price = bid.price;
      row.channel = bid.channel;
      row.channelId = id;
      out.collect(row);
    });
  }

  private static String channelId(String channel, String url) {
    String hot = HOT_CHANNEL_IDS.get(channel.toLowerCase(java.util.Locale.ROOT));
    if (hot != null) return hot;
    Matcher found = CHANNEL_ID.matcher(url);
    return found.find() ? found.group(1) : null;
  }

  /** A bid with the folders of its URL. */
  public static final class FolderBid implements Row {
    public long auction;
    public long bidder;
    public long price;
    public String channel;
    public String dir1;
    public String dir2;
    public String dir3;

    @Override
    public void json(Json out) {
      out.begin().add("auction", auction).add("bidder", bidder).add("price", price).add("channel", channel)
          .add("dir1", dir1).add("dir2", dir2).add("dir3", dir3).end();
    }
  }

  static DataStream<FolderBid> q22(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, Types.POJO(FolderBid.class), (bid, out) -> {
      String[] parts = bid.url.split("/");
      FolderBid row = new FolderBid();
      row.auction = bid.auction;
      row.bidder = bid.bidder;
      row.price = bid.price;
      row.channel = bid.channel;
      row.dir1 = parts[3];
      row.dir2 = parts[4];
      row.dir3 = parts[5];
      out.collect(row);
    });
  }
}
