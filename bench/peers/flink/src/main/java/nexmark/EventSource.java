package nexmark;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * A bounded source of the first events. Split k of p is the event numbers k, k + p, k + 2p, …, and its position in a
 * checkpoint is the number of the next event, so that what is read after a failure is exactly what has not been read.
 */
final class EventSource implements Source<Event, EventSource.Split, List<EventSource.Split>> {
  private static final long serialVersionUID = 1;

  /** How many events a reader emits before it lets checkpoints and timers have their turn. */
  private static final int EVENTS_PER_POLL = 128;

  /** An arithmetic progression of event numbers, of which those before {@code next} have been read. */
  record Split(int index, int next, int stride, int end) implements SourceSplit {
    @Override
    public String splitId() {
      return Integer.toString(index);
    }
  }

  private final Generator generator;
  private final int events;

  EventSource(Generator generator, int events) {
    this.generator = generator;
    this.events = events;
  }

  @Override
  public Boundedness getBoundedness() {
    return Boundedness.BOUNDED;
  }

  @Override
  public SourceReader<Event, Split> createReader(SourceReaderContext context) {
    return new Reader(generator, context);
  }

  @Override
  public SplitEnumerator<Split, List<Split>> createEnumerator(SplitEnumeratorContext<Split> context) {
    int splits = context.currentParallelism();
    List<Split> unread = new ArrayList<>();
    for (int k = 0; k < splits; k++) unread.add(new Split(k, k, splits, events));
    return new Enumerator(context, unread);
  }

  @Override
  public SplitEnumerator<Split, List<Split>> restoreEnumerator(
      SplitEnumeratorContext<Split> context, List<Split> unread) {
    return new Enumerator(context, unread);
  }

  @Override
  public SimpleVersionedSerializer<Split> getSplitSerializer() {
    return new SplitSerializer();
  }

  @Override
  public SimpleVersionedSerializer<List<Split>> getEnumeratorCheckpointSerializer() {
    return new SplitsSerializer();
  }

  /** Hands each reader the split of its own index. */
  private static final class Enumerator implements SplitEnumerator<Split, List<Split>> {
    private final SplitEnumeratorContext<Split> context;
    private final List<Split> unassigned;

    Enumerator(SplitEnumeratorContext<Split> context, List<Split> unassigned) {
      this.context = context;
      this.unassigned = new ArrayList<>(unassigned);
    }

    @Override
    public void start() {}

    @Override
    public void handleSplitRequest(int reader, String host) {}

    @Override
    public void addSplitsBack(List<Split> splits, int reader) {
      unassigned.addAll(splits);
      if (context.registeredReaders().containsKey(reader)) addReader(reader);
    }

    @Override
    public void addReader(int reader) {
      for (Split split : List.copyOf(unassigned)) {
        if (split.index() % context.currentParallelism() != reader) continue;
        context.assignSplit(split, reader);
        unassigned.remove(split);
      }
      context.signalNoMoreSplits(reader);
    }

    @Override
    public List<Split> snapshotState(long checkpoint) {
      return List.copyOf(unassigned);
    }

    @Override
    public void close() {}
  }

  /** Makes the events of its splits, a few at a time. */
  private static final class Reader implements SourceReader<Event, Split> {
    private final Generator generator;
    private final SourceReaderContext context;
    private final ArrayDeque<Split> waiting = new ArrayDeque<>();
    private final Event event = new Event();
    private CompletableFuture<Void> available = new CompletableFuture<>();
    private boolean allAssigned = false;
    private Split current = null;
    private int next = 0;

    Reader(Generator generator, SourceReaderContext context) {
      this.generator = generator;
      this.context = context;
    }

    @Override
    public void start() {}

    @Override
    public InputStatus pollNext(ReaderOutput<Event> output) {
      if (current == null) {
        current = waiting.poll();
        if (current == null) {
          if (allAssigned) return InputStatus.END_OF_INPUT;
          available = new CompletableFuture<>();
          return InputStatus.NOTHING_AVAILABLE;
        }
        next = current.next();
        Measure.streamBegins();
      }
      int stride = current.stride();
      int until = (int) Math.min(current.end(), next + (long) stride * EVENTS_PER_POLL);
      for (; next < until; next += stride) {
        generator.fill(event, next);
        output.collect(event, event.dateTime());
      }
      if (next >= current.end()) current = null;
      return InputStatus.MORE_AVAILABLE;
    }

    @Override
    public List<Split> snapshotState(long checkpoint) {
      List<Split> splits = new ArrayList<>(waiting);
      if (current != null) splits.add(new Split(current.index(), next, current.stride(), current.end()));
      return splits;
    }

    @Override
    public CompletableFuture<Void> isAvailable() {
      return available;
    }

    @Override
    public void addSplits(List<Split> splits) {
      waiting.addAll(splits);
      available.complete(null);
    }

    @Override
    public void notifyNoMoreSplits() {
      allAssigned = true;
      available.complete(null);
    }

    @Override
    public void close() {}
  }

  private static void write(ByteBuffer bytes, Split split) {
    bytes.putInt(split.index()).putInt(split.next()).putInt(split.stride()).putInt(split.end());
  }

  private static Split read(ByteBuffer bytes) {
    return new Split(bytes.getInt(), bytes.getInt(), bytes.getInt(), bytes.getInt());
  }

  /** The bytes of a split in a checkpoint. */
  private static final int SPLIT_BYTES = 4 * Integer.BYTES;

  private static final class SplitSerializer implements SimpleVersionedSerializer<Split> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(Split split) {
      ByteBuffer bytes = ByteBuffer.allocate(SPLIT_BYTES);
      write(bytes, split);
      return bytes.array();
    }

    @Override
    public Split deserialize(int version, byte[] serialized) throws IOException {
      return read(ByteBuffer.wrap(serialized));
    }
  }

  private static final class SplitsSerializer implements SimpleVersionedSerializer<List<Split>> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(List<Split> splits) {
      ByteBuffer bytes = ByteBuffer.allocate(SPLIT_BYTES * splits.size());
      for (Split split : splits) write(bytes, split);
      return bytes.array();
    }

    @Override
    public List<Split> deserialize(int version, byte[] serialized) {
      ByteBuffer bytes = ByteBuffer.wrap(serialized);
      List<Split> splits = new ArrayList<>();
      while (bytes.hasRemaining()) splits.add(read(bytes));
      return splits;
    }
  }
}
