package nexmark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
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

    /** Of the earliest group of a key: whether there are others. */
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

    /** The earliest group. */
    private transient ValueState<Group> first;

    /** The other groups, the earliest first: there are hardly any. */
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
        List<Group> groups = groups(group);
        for (Group other : groups) {
          if (!other.holds(bid.dateTime)) continue;
          other.join(bid);
          update(groups);
          return;
        }
        groups.add(Group.of(bid.dateTime, bid, false));
        groups.sort(Comparator.comparingLong(one -> one.first));
        update(groups);
      }
      context.timerService().registerEventTimeTimer(bid.dateTime + WITHIN_MILLIS);
    }

    private List<Group> groups(Group group) throws Exception {
      List<Group> groups = new ArrayList<>();
      groups.add(group);
      if (group.hasOthers) others.get().forEach(groups::add);
      return groups;
    }

    private void update(List<Group> groups) throws Exception {
      Group group = groups.remove(0);
      if (group.hasOthers || !groups.isEmpty()) others.update(groups);
      group.hasOthers = !groups.isEmpty();
      first.update(group);
    }

    /** The timer of the earliest group comes first. */
    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<LastBid> out) throws Exception {
      Group group = first.value();
      say(group, out);
      if (!group.hasOthers) {
        first.clear();
        return;
      }
      List<Group> groups = groups(group);
      groups.remove(0);
      groups.get(0).hasOthers = true;
      update(groups);
    }

    private static void say(Group group, Collector<LastBid> out) {
      LastBid row = new LastBid();
      row.bid = group.last;
      out.collect(row);
    }
  }
}
