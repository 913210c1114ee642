package nexmark;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.apache.flink.api.common.serialization.Encoder;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;

/** Where the rows of a query end. */
final class Sinks {
  private Sinks() {}

  /** Files of lines, each of which is published with the checkpoint that its rows belong to. */
  static <R extends Row> Sink<R> files(Path folder) {
    return FileSink.forRowFormat(new org.apache.flink.core.fs.Path(folder.toUri()), new Lines<R>())
        .withRollingPolicy(OnCheckpointRollingPolicy.build())
        .build();
  }

  private static final class Lines<R extends Row> implements Encoder<R> {
    private static final long serialVersionUID = 1;

    private transient Json json;

    @Override
    public void encode(R row, OutputStream stream) throws IOException {
      if (json == null) json = new Json();
      row.json(json);
      stream.write(json.text().append('\n').toString().getBytes(StandardCharsets.ISO_8859_1));
    }
  }
}
