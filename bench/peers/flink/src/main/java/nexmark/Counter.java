package nexmark;

import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/** Counts rows in front of their sink and, where they are to be checked, adds up their digests. */
final class Counter<R extends Row> extends AbstractStreamOperator<R>
    implements OneInputStreamOperator<R, R>, BoundedOneInput {
  private static final long serialVersionUID = 1;

  private final boolean isDigested;
  private final boolean isPassedOn;
  private transient Json json;

  /** Kept so that the compiler cannot leave out the making of rows, which no sink but one that drops them could do without. */
  private transient R last;

  private long count = 0;
  private int sum = 0;

  Counter(boolean isDigested, boolean isPassedOn) {
    this.isDigested = isDigested;
    this.isPassedOn = isPassedOn;
  }

  @Override
  public void processElement(StreamRecord<R> record) {
    count++;
    last = record.getValue();
    if (isDigested) sum += digest(last);
    if (isPassedOn) output.collect(record);
  }

  private int digest(R row) {
    if (json == null) json = new Json();
    row.checked(json);
    return Digest.of(json.text()) * (int) row.times();
  }

  @Override
  public void endInput() {
    Measure.rowsEnd(last == null ? 0 : count, sum);
  }
}
