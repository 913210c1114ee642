package streams;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The limit: records are copied as bytes, in one thread, and committed as often as the job commits. */
final class Loop {
  private Loop() {}

  /** Returns when all records that were awaited are committed, and never if none were named. */
  static void run(Options options, Measure measure) {
    boolean isTransactional = options.isExactlyOnce();
    Map<String, Object> reading = new HashMap<>(Map.of("bootstrap.servers", options.brokers()));
    reading.putAll(
        Map.of("group.id", options.applicationId(), "auto.offset.reset", "earliest", "enable.auto.commit", false));
    Map<String, Object> writing = new HashMap<>(Map.of("bootstrap.servers", options.brokers(), "linger.ms", 100));
    if (isTransactional) {
      reading.put("isolation.level", "read_committed");
      writing.put("transactional.id", options.applicationId());
    }
    AtomicReference<Exception> failure = new AtomicReference<>();
    try (var consumer = new KafkaConsumer<>(reading, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        var producer = new KafkaProducer<>(writing, new ByteArraySerializer(), new ByteArraySerializer())) {
      if (isTransactional) producer.initTransactions();
      consumer.subscribe(List.of(options.in()));
      Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
      long committedNanos = System.nanoTime();
      while (true) {
        var records = consumer.poll(Duration.ofMillis(100));
        if (isTransactional && next.isEmpty() && !records.isEmpty()) producer.beginTransaction();
        for (var record : records) {
          measure.recordArrives();
          measure.resultLeaves();
          var copy = new ProducerRecord<>(options.out(), null, record.timestamp(), record.key(), record.value());
          producer.send(copy, (sent, error) -> failure.compareAndSet(null, error));
        }
        if (!records.isEmpty()) next.putAll(records.nextOffsets());
        boolean isAll = options.records() > 0 && measure.hasAll();
        if (!isAll && System.nanoTime() - committedNanos < options.commitMillis() * 1_000_000) continue;
        if (isTransactional && !next.isEmpty()) {
          producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
          producer.commitTransaction();
        } else {
          producer.flush();
          if (failure.get() != null) throw new KafkaException("Cannot produce to " + options.out(), failure.get());
          consumer.commitSync(next);
        }
        next.clear();
        committedNanos = System.nanoTime();
        if (isAll) return;
      }
    }
  }
}
