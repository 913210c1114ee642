package streams;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.streams.KafkaStreams;

/**
 * What is measured of a run. It begins as the first record after those of the warm-up is handed to the program, and
 * ends when the offsets that are committed cover all of the input.
 */
final class Measure {
  private static final OperatingSystemMXBean SYSTEM =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  private final long warmupRecords;
  private final long lastRecord;
  private final AtomicLong arrived = new AtomicLong();
  private final AtomicLong results = new AtomicLong();
  private volatile long firstArrivedMillis;
  private volatile long beganNanos;
  private volatile long beganCpuNanos;
  private volatile long lastArrivedNanos;

  /**
   * What is printed.
   *
   * @param records how many records were measured: those of the warm-up are not among them
   * @param millis from the first of them to the commit that covers the input
   * @param processedMillis from the first of them to the instant at which the last one was handed over, which does not
   *     depend on when a commit is due
   * @param startupMillis from the start of the virtual machine to the first record of all
   * @param results how many records were handed to the producer of the output, those of the warm-up included
   */
  record Run(
      long records,
      double millis,
      long recordsPerSecond,
      double processedMillis,
      long startupMillis,
      double cpuSeconds,
      long results,
      long warmupRecords,
      long peakMemoryBytes,
      String kafka,
      String java) {}

  Measure(Options options) {
    warmupRecords = options.warmupRecords();
    lastRecord = options.records();
  }

  /** Called for each record as it is handed to the program, by any thread. */
  void recordArrives() {
    long count = arrived.incrementAndGet();
    if (count == 1) firstArrivedMillis = System.currentTimeMillis();
    if (count == warmupRecords + 1) {
      beganCpuNanos = SYSTEM.getProcessCpuTime();
      beganNanos = System.nanoTime();
    }
    if (count == lastRecord) lastArrivedNanos = System.nanoTime();
  }

  /** Called for each record of the output, by any thread. */
  void resultLeaves() {
    results.incrementAndGet();
  }

  /** Whether as many records have come as were awaited. */
  boolean hasAll() {
    return arrived.get() >= lastRecord;
  }

  long arrived() {
    return arrived.get();
  }

  /** To be called as soon as all is committed. */
  Run end() throws IOException {
    long endedNanos = System.nanoTime();
    long endedCpuNanos = SYSTEM.getProcessCpuTime();
    long records = lastRecord - warmupRecords;
    double millis = (endedNanos - beganNanos) / 1e6;
    return new Run(
        records,
        rounded(millis),
        Math.round(records / millis * 1e3),
        rounded((lastArrivedNanos - beganNanos) / 1e6),
        firstArrivedMillis - ManagementFactory.getRuntimeMXBean().getStartTime(),
        rounded((endedCpuNanos - beganCpuNanos) / 1e9),
        results.get(),
        warmupRecords,
        peakMemoryBytes(),
        kafkaVersion(),
        Runtime.version().toString());
  }

  private static double rounded(double value) {
    return Math.round(value * 1e3) / 1e3;
  }

  /** The most memory that the process has had, in bytes, or 0 where the system does not say. */
  private static long peakMemoryBytes() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (!Files.exists(status)) return 0;
    for (String line : Files.readAllLines(status)) {
      if (line.startsWith("VmHWM:")) return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
    }
    return 0;
  }

  private static String kafkaVersion() throws IOException {
    Properties said = new Properties();
    try (InputStream file = KafkaStreams.class.getResourceAsStream("/kafka/kafka-version.properties")) {
      said.load(file);
    }
    return said.getProperty("version");
  }
}
