package nexmark;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.CoreOptions;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.runtime.checkpoint.CheckpointStatsSnapshot;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * Runs one query once, after a warm-up in the same process, and prints one line of JSON about it; of several queries, one
 * after the other, a list of them.
 *
 * <p>Each run has a job of its own on one cluster, which lives in this process.
 */
public final class Main {
  private Main() {}

  public static void main(String[] args) throws Exception {
    Options options;
    try {
      options = Options.parse(args);
      for (String name : options.queries()) Queries.named(name);
    } catch (IllegalArgumentException wrong) {
      System.err.println(wrong.getMessage());
      System.exit(2);
      return;
    }
    Files.createDirectories(options.folder());
    Path folder = Files.createTempDirectory(options.folder().toAbsolutePath(), "flink-");
    String line;
    try {
      line = run(options, folder);
    } finally {
      delete(folder);
    }
    System.out.println(line);
    // Threads of the cluster may linger; all that counts has been written.
    System.exit(0);
  }

  private static String run(Options options, Path folder) throws Exception {
    Configuration config = configuration(options, folder);
    MiniClusterConfiguration cluster =
        new MiniClusterConfiguration.Builder()
            .setConfiguration(config)
            .setNumTaskManagers(1)
            .setNumSlotsPerTaskManager(options.parallelism())
            .withRandomPorts()
            .build();
    try (MiniCluster flink = new MiniCluster(cluster)) {
      flink.start();
      List<String> lines = new ArrayList<>();
      for (String query : options.queries()) {
        Path output = folder.resolve(query);
        if (options.warmup() > 0) runOnce(flink, config, options, query, options.warmup(), output.resolve("warm-up"));
        System.gc();
        lines.add(runOnce(flink, config, options, query, options.events(), output.resolve("measured")));
      }
      return lines.size() == 1 ? lines.get(0) : lines.toString();
    }
  }

  private static Configuration configuration(Options options, Path folder) {
    Configuration config = new Configuration();
    // One object may stand for one record after another, and nothing is serialized in a way that knows no schema.
    config.set(PipelineOptions.OBJECT_REUSE, true);
    config.set(PipelineOptions.GENERIC_TYPES, false);
    config.set(PipelineOptions.AUTO_WATERMARK_INTERVAL, Duration.ofMillis(200));
    config.set(ExecutionOptions.BUFFER_TIMEOUT, Duration.ofMillis(100));
    config.set(StateBackendOptions.STATE_BACKEND, options.state() == Options.State.HEAP ? "hashmap" : "rocksdb");
    config.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    config.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, folder.resolve("checkpoints").toUri().toString());
    config.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
    config.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.EXACTLY_ONCE);
    config.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(options.epochMillis()));
    config.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(1024));
    config.set(TaskManagerOptions.NETWORK_MEMORY_MIN, MemorySize.ofMebiBytes(128));
    config.set(TaskManagerOptions.NETWORK_MEMORY_MAX, MemorySize.ofMebiBytes(128));
    config.set(TaskManagerOptions.CPU_CORES, (double) options.parallelism());
    config.set(CoreOptions.TMP_DIRS, folder.toString());
    config.set(RestOptions.BIND_ADDRESS, "127.0.0.1");
    return config;
  }

  private static String runOnce(
      MiniCluster flink, Configuration config, Options options, String query, int events, Path folder) throws Exception {
    Measure.reset();
    StreamExecutionEnvironment environment = new StreamExecutionEnvironment(config);
    environment.setParallelism(options.parallelism());
    Generator generator = new Generator(options.seed(), options.eventsPerSecond());
    sink(Queries.named(query).on(environment, generator, events), options, folder);
    JobGraph job = environment.getStreamGraph().getJobGraph();
    flink.submitJob(job).get();
    flink.requestJobResult(job.getJobID()).get().toJobExecutionResult(Main.class.getClassLoader());
    Measure.Run run = Measure.run();
    CheckpointStatsSnapshot checkpoints = flink.getExecutionGraph(job.getJobID()).get().getCheckpointStatsSnapshot();
    return json(options, query, events, run, checkpoints);
  }

  private static <R extends Row> void sink(DataStream<R> rows, Options options, Path folder) {
    boolean isWritten = options.sink() == Options.SinkKind.FILE;
    rows.transform("rows", rows.getType(), new Counter<>(options.check(), isWritten))
        .sinkTo(isWritten ? Sinks.files(folder) : new DiscardingSink<>());
  }

  private static String json(
      Options options, String query, long events, Measure.Run run, CheckpointStatsSnapshot checkpoints)
      throws IOException {
    long completed = checkpoints.getCounts().getNumberOfCompletedCheckpoints();
    var summary = checkpoints.getSummaryStats();
    var epochMillis = summary.getEndToEndDurationStats();
    StringBuilder out = new StringBuilder("{");
    text(out, "query", query);
    text(out, "mode", options.check() ? "check" : "throughput");
    number(out, "events", events);
    number(out, "seed", options.seed());
    text(out, "sink", options.sink().name().toLowerCase(Locale.ROOT));
    text(out, "state", options.state().name().toLowerCase(Locale.ROOT));
    number(out, "parallelism", options.parallelism());
    number(out, "warmupEvents", options.warmup());
    decimal(out, "seconds", run.seconds());
    decimal(out, "eventsPerSecond", events / run.seconds());
    decimal(out, "cpuSeconds", run.cpuSeconds());
    decimal(out, "secondsUntilJobEnds", run.secondsUntilJobEnds());
    number(out, "results", run.rows());
    if (options.check()) number(out, "digest", Integer.toUnsignedLong(run.digest()));
    number(out, "peakMemoryBytes", Measure.peakMemoryBytes());
    number(out, "epochs", completed);
    number(out, "bytesPerEpoch", completed == 0 ? 0 : summary.getCheckpointedSize().getAverage());
    out.append("\"epochMillis\":{\"p50\":").append(completed == 0 ? 0 : Math.round(epochMillis.getQuantile(0.5)));
    out.append(",\"max\":").append(completed == 0 ? 0 : epochMillis.getMaximum()).append("},");
    text(out, "flink", EnvironmentInformation.getVersion());
    text(out, "java", Runtime.version().toString());
    text(out, "collectors", ManagementFactory.getGarbageCollectorMXBeans().stream()
        .map(collector -> collector.getName()).collect(Collectors.joining(", ")));
    number(out, "heapBytesMax", Runtime.getRuntime().maxMemory());
    out.setLength(out.length() - 1);
    return out.append('}').toString();
  }

  private static void text(StringBuilder out, String name, String value) {
    out.append('"').append(name).append("\":\"").append(value).append("\",");
  }

  private static void number(StringBuilder out, String name, long value) {
    out.append('"').append(name).append("\":").append(value).append(',');
  }

  private static void decimal(StringBuilder out, String name, double value) {
    out.append('"').append(name).append("\":").append(String.format(Locale.ROOT, "%.3f", value)).append(',');
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> paths = Files.walk(folder)) {
      for (Path path : (Iterable<Path>) paths.sorted(Comparator.reverseOrder())::iterator) Files.deleteIfExists(path);
    }
  }
}
