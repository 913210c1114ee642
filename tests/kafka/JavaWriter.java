import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes records to a topic of one partition with Kafka's own client, for tests of what reads them.
 *
 * <p>Arguments: the brokers, the topic, the compression, and how many records.
 */
public final class JavaWriter {
  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  public static void main(String[] arguments) throws Exception {
    var settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("compression.type", arguments[2]);
    settings.put("linger.ms", "20");
    settings.put("batch.size", "100000");
    String topic = arguments[1];
    int count = Integer.parseInt(arguments[3]);
    var sent = new ArrayList<java.util.concurrent.Future<?>>();
    try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (int k = 0; k < count; k++) {
        byte[] key = k % 3 == 0 ? null : bytes("key " + k);
        byte[] value = k % 7 == 0 ? null : bytes(k + " " + "again and ".repeat(k % 90));
        List<Header> headers = k % 5 != 0 ? List.of() : List.of(
            new RecordHeader("b", bytes("1")), new RecordHeader("a", null), new RecordHeader("b", bytes("")));
        sent.add(producer.send(new ProducerRecord<>(topic, 0, 1_600_000_000_000L + k, key, value, headers)));
      }
      for (var one : sent) one.get();
    }
  }
}
