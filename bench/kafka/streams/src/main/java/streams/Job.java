package streams;

import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Counts and sums by user and tumbling window; of each window only what it says when it has closed.
 *
 * <p>The input has the user as its key, so nothing is sent through a topic to group it. A window closes when its own
 * partition has come to its end and the grace: Kafka Streams has a time for each partition, and none for all of them.
 */
final class Job {
  /**
   * How much longer than its grace a window stays in its store if it is read from there. Kafka Streams looks for closed
   * windows once a second of the clock on the wall, and a store forgets windows by the time of events, which may be
   * hours further then: a window that has been forgotten is lost without a word.
   */
  private static final Duration KEPT_FOR_EMIT = Duration.ofDays(1);

  /**
   * How long a broker keeps the changelog of a window beyond what the store needs, by the time of events, which may be
   * years old: with the default of a day it would delete what was written a minute ago.
   */
  private static final Duration CHANGELOG_KEPT = Duration.ofDays(36_500);

  private Job() {}

  static Topology topology(Options options, Measure measure) {
    Duration size = Duration.ofMillis(options.windowMillis());
    Duration grace = Duration.ofMillis(options.graceMillis());
    boolean isSuppressed = options.emit() == Options.Emit.SUPPRESS;
    StreamsBuilder builder = new StreamsBuilder();
    TimeWindowedKStream<String, Event> windows = builder
        .stream(
            options.in(),
            Consumed.with(Serdes.String(), Json.serde(Event.class)).withTimestampExtractor(new Arrivals(measure)))
        .groupByKey()
        .windowedBy(TimeWindows.ofSizeAndGrace(size, grace));
    KTable<Windowed<String>, Total> totals = windows
        .emitStrategy(isSuppressed ? EmitStrategy.onWindowUpdate() : EmitStrategy.onWindowClose())
        .aggregate(
            () -> Total.NONE,
            (user, event, total) -> total.plus(event),
            store(options).withRetention(isSuppressed ? size.plus(grace) : size.plus(grace).plus(KEPT_FOR_EMIT)));
    // The buffer is unbounded, as windows that are open are bounded by time: a bound would end the job or emit too
    // early.
    (isSuppressed ? totals.suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()).withName("closed")) : totals)
        .toStream()
        .map((window, total) -> {
          measure.resultLeaves();
          Result result = new Result(window.key(), window.window().start(), total.count(), total.sum());
          return KeyValue.pair(window.key(), result);
        })
        .to(options.out(), Produced.with(Serdes.String(), Json.serde(Result.class)));
    return builder.build();
  }

  private static Materialized<String, Total, WindowStore<Bytes, byte[]>> store(Options options) {
    return Materialized.<String, Total, WindowStore<Bytes, byte[]>>as("totals")
        .withKeySerde(Serdes.String())
        .withValueSerde(Total.SERDE)
        .withStoreType(options.store() == Options.Store.MEMORY
            ? BuiltInDslStoreSuppliers.IN_MEMORY
            : BuiltInDslStoreSuppliers.ROCKS_DB);
  }

  static Properties settings(Options options, String stateDir) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, options.applicationId());
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.brokers());
    settings.put(
        StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
        options.isExactlyOnce() ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.threads());
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.commitMillis());
    settings.put(StreamsConfig.STATE_DIR_CONFIG, stateDir);
    // The cache is what lets a total go to the changelog once a commit and not once a record. The default of 10 MiB,
    // which all threads share, throttles as soon as it holds fewer totals than change between two commits; this one
    // does not.
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, options.cacheBytes());
    settings.put(StreamsConfig.WINDOW_STORE_CHANGE_LOG_ADDITIONAL_RETENTION_MS_CONFIG, CHANGELOG_KEPT.toMillis());
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    settings.putAll(options.settings());
    return settings;
  }
}
