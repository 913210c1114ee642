package streams;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

/** What is to be run, as the command line says it. */
record Options(
    Mode mode,
    String brokers,
    String in,
    String out,
    String applicationId,
    boolean isExactlyOnce,
    int threads,
    long commitMillis,
    String stateDir,
    long records,
    long warmupRecords,
    Store store,
    Emit emit,
    long windowMillis,
    long graceMillis,
    long cacheBytes,
    Map<String, String> settings) {

  enum Mode {
    /** The job, until as many records as were named are committed. */
    MEASURE,
    /** The job, until the process is told to end. */
    RUN,
    /** A consumer and a producer without anything between them, which ends as the job does if records are named. */
    LOOP
  }

  enum Store {
    /** Sorted maps of bytes in memory, with a changelog. */
    MEMORY,
    /** RocksDB in the state dir, with a changelog. */
    ROCKSDB
  }

  enum Emit {
    /** Windows are held back by `suppress` in a buffer of its own, which has a changelog of its own. */
    SUPPRESS,
    /** Windows are read out of their store after they have closed, by `EmitStrategy.onWindowClose`. */
    WINDOW_CLOSE
  }

  static final String USAGE =
      "--brokers=host:port --in=TOPIC --out=TOPIC --records=N [--mode=measure|run|loop] [--warmup-records=0]"
          + " [--application-id=ID] [--guarantee=exactly_once_v2|at_least_once] [--threads=1]"
          + " [--commit-interval-millis=1000] [--state-dir=FOLDER] [--store=memory|rocksdb]"
          + " [--emit=suppress|window-close] [--window-millis=10000] [--grace-millis=0] [--cache-bytes=536870912]"
          + " [--config.NAME=VALUE ...]";

  private static final Set<String> NAMES =
      Set.of("brokers", "in", "out", "records", "mode", "warmup-records", "application-id", "guarantee", "threads",
          "commit-interval-millis", "state-dir", "store", "emit", "window-millis", "grace-millis", "cache-bytes");

  static Options parse(String[] args) {
    Map<String, String> given = new HashMap<>();
    Map<String, String> settings = new TreeMap<>();
    for (String arg : args) {
      int equals = arg.indexOf('=');
      if (!arg.startsWith("--") || equals < 0) throw new IllegalArgumentException("not an option: " + arg);
      String name = arg.substring(2, equals);
      String value = arg.substring(equals + 1);
      if (name.startsWith("config.")) {
        settings.put(name.substring("config.".length()), value);
      } else if (NAMES.contains(name)) {
        given.put(name, value);
      } else {
        throw new IllegalArgumentException("no such option: " + arg);
      }
    }
    Mode mode = choice(Mode.class, given, "mode", "measure");
    if (!given.keySet().containsAll(Set.of("brokers", "in", "out"))) {
      throw new IllegalArgumentException("--brokers, --in and --out are needed; the options are " + USAGE);
    }
    long records = number(given, "records", 0);
    long warmupRecords = number(given, "warmup-records", 0);
    if (mode == Mode.MEASURE && records == 0) throw new IllegalArgumentException("--mode=measure needs --records");
    if (records > 0 && warmupRecords >= records) {
      throw new IllegalArgumentException("--warmup-records must be fewer than --records: they are the first of them");
    }
    String guarantee = given.getOrDefault("guarantee", "exactly_once_v2");
    if (!Set.of("exactly_once_v2", "at_least_once").contains(guarantee)) {
      throw new IllegalArgumentException("no such --guarantee: " + guarantee);
    }
    return new Options(
        mode,
        given.get("brokers"),
        given.get("in"),
        given.get("out"),
        given.getOrDefault("application-id", "streams-" + UUID.randomUUID()),
        guarantee.equals("exactly_once_v2"),
        Math.toIntExact(number(given, "threads", 1)),
        number(given, "commit-interval-millis", 1_000),
        given.get("state-dir"),
        records,
        warmupRecords,
        choice(Store.class, given, "store", "memory"),
        choice(Emit.class, given, "emit", "suppress"),
        number(given, "window-millis", 10_000),
        number(given, "grace-millis", 0),
        number(given, "cache-bytes", 512L << 20),
        settings);
  }

  private static long number(Map<String, String> given, String name, long otherwise) {
    String value = given.get(name);
    if (value == null) return otherwise;
    if (!value.matches("\\d{1,18}")) throw new IllegalArgumentException("not a number: --" + name + "=" + value);
    return Long.parseLong(value);
  }

  private static <E extends Enum<E>> E choice(Class<E> type, Map<String, String> given, String name, String otherwise) {
    String value = given.getOrDefault(name, otherwise);
    for (E choice : type.getEnumConstants()) {
      if (choice.name().toLowerCase(Locale.ROOT).replace('_', '-').equals(value)) return choice;
    }
    throw new IllegalArgumentException("no such --" + name + ": " + value);
  }
}
