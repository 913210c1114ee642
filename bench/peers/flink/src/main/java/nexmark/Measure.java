package nexmark;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What is measured of a run. All tasks of a run are threads of this process, so that what they count is kept here.
 *
 * <p>A run is taken to begin when a source is first asked for events, and to end when the last row has come to its sink.
 * Then the job waits for its last checkpoint, which may begin up to an interval later; that is not counted against it.
 */
final class Measure {
  private static final OperatingSystemMXBean SYSTEM =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  private static final AtomicLong beganNanos = new AtomicLong();
  private static final AtomicLong beganCpuNanos = new AtomicLong();
  private static final AtomicLong rows = new AtomicLong();
  private static final AtomicInteger digest = new AtomicInteger();
  private static long endedNanos = 0;
  private static long endedCpuNanos = 0;

  /** How long a run took, in seconds of the clock on the wall and of processors, and what came of it. */
  record Run(double seconds, double cpuSeconds, double secondsUntilJobEnds, long rows, int digest) {}

  private Measure() {}

  static void reset() {
    beganNanos.set(0);
    rows.set(0);
    digest.set(0);
  }

  /** Called by each source as it is first asked for events; the first call counts. */
  static void streamBegins() {
    if (beganNanos.compareAndSet(0, System.nanoTime())) beganCpuNanos.set(SYSTEM.getProcessCpuTime());
  }

  /** Called in front of each task of a sink when it has seen all its rows; the last call counts. */
  static synchronized void rowsEnd(long count, int sumOfDigests) {
    rows.addAndGet(count);
    digest.addAndGet(sumOfDigests);
    endedNanos = System.nanoTime();
    endedCpuNanos = SYSTEM.getProcessCpuTime();
  }

  /** Called when the job has ended. */
  static synchronized Run run() {
    long began = beganNanos.get();
    return new Run(
        (endedNanos - began) / 1e9,
        (endedCpuNanos - beganCpuNanos.get()) / 1e9,
        (System.nanoTime() - began) / 1e9,
        rows.get(),
        digest.get());
  }

  /** The most memory that the process has had, in bytes, or 0 where the system does not say. */
  static long peakMemoryBytes() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (!Files.exists(status)) return 0;
    for (String line : Files.readAllLines(status)) {
      if (line.startsWith("VmHWM:")) return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
    }
    return 0;
  }
}
