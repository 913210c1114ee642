package nexmark;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What is to be run, as the command line says it. */
record Options(
    List<String> queries,
    int events,
    int warmup,
    int seed,
    int eventsPerSecond,
    int parallelism,
    State state,
    long epochMillis,
    SinkKind sink,
    boolean check,
    Path folder) {

  enum State {
    /** Objects in memory, of which each checkpoint writes all. */
    HEAP,
    /** A RocksDB of the task's own, of which each checkpoint writes what is new. */
    ROCKSDB
  }

  enum SinkKind {
    /** Rows are counted and dropped. */
    NONE,
    /** Rows are written to files as lines of JSON, exactly once. */
    FILE
  }

  static final String USAGE =
      "--query=q5 --events=N [--warmup=N] [--seed=1] [--events-per-second=10000] [--parallelism=1]"
          + " [--state=heap|rocksdb] [--epoch-millis=1000] [--sink=none|file] [--mode=throughput|check] [--folder=.weir]";

  private static final Set<String> NAMES =
      Set.of("query", "events", "warmup", "seed", "events-per-second", "parallelism", "state", "epoch-millis", "sink",
          "mode", "folder", "json");

  static Options parse(String[] args) {
    Map<String, String> given = new HashMap<>();
    for (String arg : args) {
      if (!arg.startsWith("--")) throw new IllegalArgumentException("not an option: " + arg);
      int equals = arg.indexOf('=');
      String name = equals < 0 ? arg.substring(2) : arg.substring(2, equals);
      if (!NAMES.contains(name)) throw new IllegalArgumentException("no such option: " + arg);
      given.put(name, equals < 0 ? "" : arg.substring(equals + 1));
    }
    if (!given.containsKey("query") || !given.containsKey("events")) {
      throw new IllegalArgumentException("--query and --events are needed; the options are " + USAGE);
    }
    return new Options(
        List.of(given.get("query").split(",")),
        Integer.parseInt(given.get("events")),
        Integer.parseInt(given.getOrDefault("warmup", "0")),
        Integer.parseInt(given.getOrDefault("seed", "1")),
        Integer.parseInt(given.getOrDefault("events-per-second", "" + Generator.EVENTS_PER_SECOND)),
        Integer.parseInt(given.getOrDefault("parallelism", "1")),
        State.valueOf(given.getOrDefault("state", "heap").toUpperCase()),
        Long.parseLong(given.getOrDefault("epoch-millis", "1000")),
        SinkKind.valueOf(given.getOrDefault("sink", "none").toUpperCase()),
        given.getOrDefault("mode", "throughput").equals("check"),
        Path.of(given.getOrDefault("folder", ".weir")));
  }
}
