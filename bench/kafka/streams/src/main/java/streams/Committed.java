package streams;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * Waits until a group has committed all of the input.
 *
 * <p>The group's offsets are asked of the broker, but only after the last record has arrived, so that asking costs
 * nothing while records are processed. From then on it is asked each ten milliseconds, by which the end may be seen too
 * late.
 */
final class Committed {
  private static final long ASKS_EVERY_MILLIS = 10;

  /** After how long without a record, or a commit, it is given up: no more will come. */
  private static final long STALLED_AFTER_MILLIS = 60_000;

  private Committed() {}

  static void await(Options options, Measure measure, AtomicReference<Throwable> failure)
      throws ExecutionException, InterruptedException {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", options.brokers()))) {
      long before = 0;
      long stalledNanos = System.nanoTime();
      while (!measure.hasAll()) {
        long arrived = measure.arrived();
        if (arrived > before) stalledNanos = System.nanoTime();
        before = arrived;
        pause(stalledNanos, measure, failure);
      }
      Map<TopicPartition, Long> ends = ends(admin, options.in());
      stalledNanos = System.nanoTime();
      while (!covers(admin, options.applicationId(), ends)) pause(stalledNanos, measure, failure);
    }
  }

  private static Map<TopicPartition, Long> ends(Admin admin, String topic)
      throws ExecutionException, InterruptedException {
    var partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
    Map<TopicPartition, OffsetSpec> asked = partitions.stream()
        .collect(Collectors.toMap(info -> new TopicPartition(topic, info.partition()), info -> OffsetSpec.latest()));
    return admin.listOffsets(asked).all().get().entrySet().stream()
        .filter(entry -> entry.getValue().offset() > 0)
        .collect(Collectors.toMap(Map.Entry::getKey, entry -> entry.getValue().offset()));
  }

  private static boolean covers(Admin admin, String group, Map<TopicPartition, Long> ends)
      throws ExecutionException, InterruptedException {
    Map<TopicPartition, OffsetAndMetadata> offsets =
        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    for (var end : ends.entrySet()) {
      OffsetAndMetadata offset = offsets.get(end.getKey());
      if (offset == null || offset.offset() < end.getValue()) return false;
    }
    return true;
  }

  private static void pause(long stalledNanos, Measure measure, AtomicReference<Throwable> failure)
      throws ExecutionException, InterruptedException {
    if (failure.get() != null) throw new ExecutionException("The job has failed", failure.get());
    if (System.nanoTime() - stalledNanos > STALLED_AFTER_MILLIS * 1_000_000) {
      throw new IllegalStateException(
          "Cannot end as nothing happens any more: " + measure.arrived() + " records have arrived."
              + " Brokers delete records whose own time is older than the topic's retention");
    }
    Thread.sleep(ASKS_EVERY_MILLIS);
  }
}
