package nexmark;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.apache.flink.api.common.serialization.Encoder;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;

/** Where the rows of a query end. */
final class Sinks {
  private Sinks() {}

  /** Counts rows, and drops them; where they are to be checked, their digests are added up. */
  record Counting<R extends Row>(boolean isDigested) implements Sink<R> {
    private static final long serialVersionUID = 1;

    @Override
    public SinkWriter<R> createWriter(WriterInitContext context) {
      return new SinkWriter<>() {
        private final StringBuilder text = new StringBuilder();
        private long count = 0;
        private int sum = 0;

        @Override
        public void write(R row, Context context) {
          count++;
          if (!isDigested) return;
          text.setLength(0);
          row.json(text);
          sum += Digest.of(text);
        }

        @Override
        public void flush(boolean isEnd) {
          if (!isEnd) return;
          Measure.rowsEnd(count, sum);
          count = 0;
          sum = 0;
        }

        @Override
        public void close() {}
      };
    }
  }

  /** Files of lines, each of which is published with the checkpoint that its rows belong to. */
  static <R extends Row> Sink<R> files(Path folder) {
    return FileSink.forRowFormat(new org.apache.flink.core.fs.Path(folder.toUri()), new Lines<R>())
        .withRollingPolicy(OnCheckpointRollingPolicy.build())
        .build();
  }

  private static final class Lines<R extends Row> implements Encoder<R> {
    private static final long serialVersionUID = 1;

    private transient StringBuilder text;

    @Override
    public void encode(R row, java.io.OutputStream stream) throws java.io.IOException {
      if (text == null) text = new StringBuilder();
      text.setLength(0);
      row.json(text);
      text.append('\n');
      stream.write(text.toString().getBytes(StandardCharsets.UTF_8));
      Measure.rowsEnd(1, 0);
    }
  }
}
