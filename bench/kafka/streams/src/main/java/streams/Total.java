package streams;

import java.nio.ByteBuffer;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** What is kept for a user and a window. */
record Total(long count, long sum) {
  static final Total NONE = new Total(0, 0);

  /**
   * Sixteen bytes and not JSON, as each record reads and writes a total of its store: this is the choice that favours
   * Kafka Streams, and nobody but the store sees it.
   */
  static final Serde<Total> SERDE =
      Serdes.serdeFrom(
          (topic, total) ->
              total == null ? null : ByteBuffer.allocate(16).putLong(total.count).putLong(total.sum).array(),
          (topic, bytes) -> {
            if (bytes == null) return null;
            if (bytes.length != 16) throw new SerializationException("not a total: " + bytes.length + " bytes");
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            return new Total(buffer.getLong(), buffer.getLong());
          });

  Total plus(Event event) {
    return new Total(count + 1, sum + event.amount());
  }
}
