package nexmark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** The last bid that a person makes for an auction within some time. */
final class LastBids {
  private static final long WITHIN_MILLIS = 10_000;

  private LastBids() {}

  /** A bid that was the last. */
  public static final class LastBid implements Row {
    public Bid bid;

    @Override
    public void json(Json out) {
      out.begin().add("auction", bid.auction).add("bidder", bid.bidder).add("price", bid.price)
          .add("channel", bid.channel).add("url", bid.url).add("dateTime", bid.dateTime).add("extra", bid.extra).end();
    }
  }

  /** The bids that are near the first of them. */
  public static final class Group {
    long first;
    Bid last;

    /** Whether there are other groups of the key besides. */
    boolean hasOthers;

    static Group of(long first, Bid last, boolean hasOthers) {
      Group group = new Group();
      group.first = first;
      group.last = last;
      group.hasOthers = hasOthers;
      return group;
    }

    boolean holds(long time) {
      return Math.abs(time - first) <= WITHIN_MILLIS;
    }

    void join(Bid bid) {
      if (bid.dateTime >= last.dateTime) last = bid;
    }
  }

  /** The bytes of a group. */
  public static final class GroupCodec extends Codec<Group> {
    private static final long serialVersionUID = 1;

    static final TypeInformation<Group> TYPE = new GroupCodec().type(Group.class);

    @Override
    void write(Group group, DataOutputView out) throws IOException {
      out.writeLong(group.first);
      BidCodec.INSTANCE.write(group.last, out);
      out.writeBoolean(group.hasOthers);
    }

    @Override
    Group read(DataInputView in) throws IOException {
      return Group.of(in.readLong(), BidCodec.INSTANCE.read(in), in.readBoolean());
    }

    @Override
    public Group copy(Group from) {
      return Group.of(from.first, from.last, from.hasOthers);
    }
  }

  static DataStream<LastBid> q18(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, BidCodec.TYPE, (bid, out) -> out.collect(bid))
        .keyBy(bid -> bid.bidder << Integer.SIZE | bid.auction) // both are below 2^31
        .process(new Grouper())
        .returns(Types.POJO(LastBid.class))
        .name("last bids");
  }

  private static final class Grouper extends KeyedProcessFunction<Long, Bid, LastBid> {
    private static final long serialVersionUID = 1;

    private transient ValueState<Group> first;

    /** The groups that began before the first one of the key was over: there are hardly any. */
    private transient ListState<Group> others;

    @Override
    public void open(OpenContext context) {
      first = getRuntimeContext().getState(new ValueStateDescriptor<>("first", GroupCodec.TYPE));
      others = getRuntimeContext().getListState(new ListStateDescriptor<>("others", GroupCodec.TYPE));
    }

    @Override
    public void processElement(Bid bid, Context context, Collector<LastBid> out) throws Exception {
      Group group = first.value();
      if (group == null) {
        first.update(Group.of(bid.dateTime, bid, false));
      } else if (group.holds(bid.dateTime)) {
        group.join(bid);
        first.update(group);
        return;
      } else {
        List<Group> besides = besides(group);
        for (Group other : besides) {
          if (!other.holds(bid.dateTime)) continue;
          other.join(bid);
          others.update(besides);
          return;
        }
        besides.add(Group.of(bid.dateTime, bid, false));
        others.update(besides);
        group.hasOthers = true;
        first.update(group);
      }
      context.timerService().registerEventTimeTimer(bid.dateTime + WITHIN_MILLIS);
    }

    private List<Group> besides(Group group) throws Exception {
      List<Group> besides = new ArrayList<>();
      if (group.hasOthers) others.get().forEach(besides::add);
      return besides;
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<LastBid> out) throws Exception {
      Group group = first.value();
      List<Group> besides = besides(group);
      if (group.first + WITHIN_MILLIS == timestamp) {
        say(group, out);
        group = besides.isEmpty() ? null : besides.remove(0);
      } else {
        Group over = besides.stream().filter(other -> other.first + WITHIN_MILLIS == timestamp).findFirst().orElseThrow();
        say(over, out);
        besides.remove(over);
      }
      if (group == null) {
        first.clear();
        return;
      }
      group.hasOthers = !besides.isEmpty();
      first.update(group);
      others.update(besides);
    }

    private static void say(Group group, Collector<LastBid> out) {
      LastBid row = new LastBid();
      row.bid = group.last;
      out.collect(row);
    }
  }
}
