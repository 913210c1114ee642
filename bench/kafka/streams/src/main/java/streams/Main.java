package streams;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KafkaStreams.State;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/**
 * Runs the job of the benchmark on Kafka Streams, or a loop without anything in it, and prints a line of JSON about it.
 *
 * <p>A job that runs until it is told to end prints `{"running":true}` as soon as it has partitions, and nothing after
 * that.
 */
public final class Main {
  private static final Duration CLOSES_WITHIN = Duration.ofSeconds(30);

  private Main() {}

  public static void main(String[] args) throws Exception {
    Options options;
    try {
      options = Options.parse(args);
    } catch (IllegalArgumentException wrong) {
      System.err.println(wrong.getMessage());
      System.exit(2);
      return;
    }
    Measure measure = new Measure(options);
    switch (options.mode()) {
      case MEASURE -> measure(options, measure);
      case RUN -> runUntilTold(options, measure);
      case LOOP -> {
        Loop.run(options, measure);
        System.out.println(Json.line(measure.end()));
      }
    }
  }

  private static void measure(Options options, Measure measure) throws Exception {
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Path folder = stateDir(options);
    try (KafkaStreams streams = streams(options, measure, folder, failure)) {
      streams.start();
      Committed.await(options, measure, failure);
      String line = Json.line(measure.end());
      if (!streams.close(CLOSES_WITHIN)) throw new IllegalStateException("The job does not end");
      System.out.println(line);
    } finally {
      if (options.stateDir() == null) delete(folder);
    }
  }

  private static void runUntilTold(Options options, Measure measure) throws Exception {
    AtomicReference<Throwable> failure = new AtomicReference<>();
    CountDownLatch ended = new CountDownLatch(1);
    Path folder = stateDir(options);
    KafkaStreams streams = streams(options, measure, folder, failure);
    streams.setStateListener((now, before) -> {
      if (now == State.RUNNING) System.out.println("{\"running\":true}");
      if (now == State.ERROR || now == State.NOT_RUNNING) ended.countDown();
    });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      streams.close(CLOSES_WITHIN);
      if (options.stateDir() == null) delete(folder);
    }));
    streams.start();
    ended.await();
    if (failure.get() != null) throw new ExecutionException("The job has failed", failure.get());
  }

  private static KafkaStreams streams(
      Options options, Measure measure, Path folder, AtomicReference<Throwable> failure) {
    KafkaStreams streams = new KafkaStreams(Job.topology(options, measure), Job.settings(options, folder.toString()));
    streams.setUncaughtExceptionHandler(error -> {
      failure.compareAndSet(null, error);
      return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    return streams;
  }

  private static Path stateDir(Options options) throws IOException {
    return options.stateDir() == null
        ? Files.createTempDirectory("kafka-streams-")
        : Files.createDirectories(Path.of(options.stateDir()));
  }

  private static void delete(Path folder) {
    try (Stream<Path> paths = Files.walk(folder)) {
      for (Path path : (Iterable<Path>) paths.sorted(Comparator.reverseOrder())::iterator) Files.deleteIfExists(path);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
