package nexmark;

import java.io.IOException;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** The highest bids of each auction, said whenever they change. */
final class HighestBids {
  /** How many bids of an auction are ranked. */
  private static final int RANKS = 10;

  private HighestBids() {}

  /** A bid and its rank. */
  public static final class RankedBid implements Row {
    public Bid bid;
    public long rank;

    @Override
    public void json(Json out) {
      out.begin().add("auction", bid.auction).add("bidder", bid.bidder).add("price", bid.price)
          .add("channel", bid.channel).add("url", bid.url).add("dateTime", bid.dateTime).add("extra", bid.extra)
          .add("rank", rank).end();
    }
  }

  /** The bids of an auction that are ranked, the highest first. */
  public static final class Ranking {
    final Bid[] bids = new Bid[RANKS];
    int size = 0;
  }

  /** The bytes of a ranking. */
  public static final class RankingCodec extends Codec<Ranking> {
    private static final long serialVersionUID = 1;

    @Override
    void write(Ranking ranking, DataOutputView out) throws IOException {
      out.writeInt(ranking.size);
      for (int k = 0; k < ranking.size; k++) BidCodec.INSTANCE.write(ranking.bids[k], out);
    }

    @Override
    Ranking read(DataInputView in) throws IOException {
      Ranking ranking = new Ranking();
      ranking.size = in.readInt();
      for (int k = 0; k < ranking.size; k++) ranking.bids[k] = BidCodec.INSTANCE.read(in);
      return ranking;
    }

    @Override
    public Ranking copy(Ranking from) {
      Ranking to = new Ranking();
      to.size = from.size;
      System.arraycopy(from.bids, 0, to.bids, 0, from.size);
      return to;
    }
  }

  static DataStream<RankedBid> q19(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, BidCodec.TYPE, (bid, out) -> out.collect(bid))
        .keyBy(bid -> bid.auction)
        .process(new Ranker())
        .returns(Types.POJO(RankedBid.class))
        .name("highest bids");
  }

  private static final class Ranker extends KeyedProcessFunction<Long, Bid, RankedBid> {
    private static final long serialVersionUID = 1;

    private transient ValueState<Ranking> state;

    @Override
    public void open(OpenContext context) {
      state = getRuntimeContext().getState(
          new ValueStateDescriptor<>("ranking", new RankingCodec().type(Ranking.class)));
    }

    @Override
    public void processElement(Bid bid, Context context, Collector<RankedBid> out) throws Exception {
      Ranking ranking = state.value();
      if (ranking == null) ranking = new Ranking();
      Bid[] bids = ranking.bids;
      int same = 0;
      while (same < ranking.size && !isSame(bids[same], bid)) same++;
      if (same < ranking.size) {
        bids[same] = bid;
        state.update(ranking);
        say(bid, same, out);
        return;
      }
      int place = ranking.size;
      while (place > 0 && bids[place - 1].price < bid.price) place--;
      if (place == RANKS) return;
      if (ranking.size < RANKS) ranking.size++;
      System.arraycopy(bids, place, bids, place + 1, ranking.size - place - 1);
      bids[place] = bid;
      state.update(ranking);
      for (int k = place; k < ranking.size; k++) say(bids[k], k, out);
    }

    private static boolean isSame(Bid a, Bid b) {
      return a.price == b.price && a.bidder == b.bidder && a.dateTime == b.dateTime;
    }

    private static void say(Bid bid, int place, Collector<RankedBid> out) {
      RankedBid row = new RankedBid();
      row.bid = bid;
      row.rank = place + 1;
      out.collect(row);
    }
  }
}
