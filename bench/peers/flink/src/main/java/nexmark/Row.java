package nexmark;

/**
 * A row of a query's answer. Each kind is a plain object of Flink's, so that it has a serializer of its own, though rows
 * go to their sink without one.
 */
public interface Row {
  /** Appends the row as a line of JSON without its end, in the fields and the order that all implementations share. */
  void json(Json out);

  /** Appends what of the row counts in a digest: all of it, unless the clock has a say in what rows there are. */
  default void checked(Json out) {
    json(out);
  }

  /** How many times that counts. */
  default long times() {
    return 1;
  }
}
