package streams;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.processor.TimestampExtractor;

/**
 * The time of a record is that of its event. Kafka Streams asks for it once for each record, just before the topology
 * is given the record, so that records are counted here too.
 */
record Arrivals(Measure measure) implements TimestampExtractor {
  @Override
  public long extract(ConsumerRecord<Object, Object> record, long partitionTime) {
    measure.recordArrives();
    return ((Event) record.value()).at();
  }
}
