package nexmark;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.Collector;

/** The bids among the events: what all queries begin with. */
final class Bids {
  /** The levels of price that some queries count by begin here, in cents: the second and the third. */
  private static final long SECOND_FROM = 10_000;
  private static final long THIRD_FROM = 1_000_000;

  private Bids() {}

  /** Takes what a query needs of a bid, or nothing. */
  interface Take<T> extends java.io.Serializable {
    void from(Bid bid, Collector<T> out);
  }

  /**
   * A stream of what a query needs of the bids, with their event time. It is made in the task of the source, so that what
   * is not needed does not go to another.
   */
  static <T> DataStream<T> of(
      StreamExecutionEnvironment environment, Generator generator, int events, TypeInformation<T> type, Take<T> take) {
    // Flink's watermark is a millisecond earlier than ours, as it says that no record is at or before it.
    return environment
        .fromSource(
            new EventSource(generator, events),
            WatermarkStrategy.forBoundedOutOfOrderness(generator.outOfOrderBound()),
            "events",
            Types.POJO(Event.class))
        .flatMap(
            (FlatMapFunction<Event, T>)
                (event, out) -> {
                  if (event.bid != null) take.from(event.bid, out);
                })
        .returns(type)
        .name("bids");
  }

  /** The level of a price, from 0. */
  static int rank(long price) {
    return price < SECOND_FROM ? 0 : price < THIRD_FROM ? 1 : 2;
  }
}
