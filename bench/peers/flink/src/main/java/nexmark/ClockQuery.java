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

/**
 * How many bids a person made in each window by the clock.
 *
 * <p>Flink's own windows by the clock leave out those that are open when the input ends, so that this has its own.
 */
final class ClockQuery {
  private static final long SIZE_MILLIS = 10_000;

  /** When the input has ended. */
  private static final long END = Long.MAX_VALUE;

  private ClockQuery() {}

  /** How many bids a person made, whenever that was. */
  public static final class ClockBids implements Row {
    public long bidder;
    public long bids;
    public long start;
    public long end;

    @Override
    public void json(Json out) {
      out.begin().add("bidder", bidder).add("bids", bids).add("start", start).add("end", end).end();
    }

    @Override
    public void checked(Json out) {
      out.begin().add("bidder", bidder).end();
    }

    @Override
    public long times() {
      return bids;
    }
  }

  static DataStream<ClockBids> q12(StreamExecutionEnvironment environment, Generator generator, int events) {
    return Bids.of(environment, generator, events, Types.LONG, (bid, out) -> out.collect(bid.bidder))
        .keyBy(bidder -> bidder)
        .process(new Windows())
        .returns(Types.POJO(ClockBids.class))
        .name("bids by the clock");
  }

  /** The window of a key that is open. */
  public static final class Open {
    long start;
    long count;
  }

  /** The bytes of a window. */
  public static final class OpenCodec extends Codec<Open> {
    private static final long serialVersionUID = 1;

    @Override
    void write(Open value, DataOutputView out) throws IOException {
      out.writeLong(value.start);
      out.writeLong(value.count);
    }

    @Override
    Open read(DataInputView in) throws IOException {
      Open value = new Open();
      value.start = in.readLong();
      value.count = in.readLong();
      return value;
    }

    @Override
    public Open copy(Open from) {
      Open to = new Open();
      to.start = from.start;
      to.count = from.count;
      return to;
    }
  }

  private static final class Windows extends KeyedProcessFunction<Long, Long, ClockBids> {
    private static final long serialVersionUID = 1;

    private transient ValueState<Open> state;

    @Override
    public void open(OpenContext context) {
      state = getRuntimeContext().getState(
          new ValueStateDescriptor<>("open", new OpenCodec().type(Open.class)));
    }

    @Override
    public void processElement(Long bidder, Context context, Collector<ClockBids> out) throws Exception {
      long now = context.timerService().currentProcessingTime();
      Open open = state.value();
      // The timer of a window may be behind the first record of the next.
      if (open != null && now >= open.start + SIZE_MILLIS) {
        say(bidder, open, out);
        open = null;
      }
      if (open == null) {
        open = new Open();
        open.start = now - now % SIZE_MILLIS;
        context.timerService().registerProcessingTimeTimer(open.start + SIZE_MILLIS - 1);
        context.timerService().registerEventTimeTimer(END);
      }
      open.count++;
      state.update(open);
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<ClockBids> out) throws Exception {
      Open open = state.value();
      if (open == null || timestamp < open.start + SIZE_MILLIS - 1) return;
      say(context.getCurrentKey(), open, out);
      state.clear();
    }

    private static void say(long bidder, Open open, Collector<ClockBids> out) {
      ClockBids row = new ClockBids();
      row.bidder = bidder;
      row.bids = open.count;
      row.start = open.start;
      row.end = open.start + SIZE_MILLIS;
      out.collect(row);
    }
  }
}
