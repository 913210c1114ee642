package nexmark;

import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** A query of the benchmark. */
interface Query {
  /** The rows of the query over the first events of a generator. */
  DataStream<? extends Row> on(StreamExecutionEnvironment environment, Generator generator, int events);
}
