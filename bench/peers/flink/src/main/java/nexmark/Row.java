package nexmark;


/** A row of a query's answer. Each kind is a plain object of Flink's, so that it has a serializer of its own. */
public interface Row {
  /** Appends the row as a line of JSON without its end, in the words and the order that all implementations share. */
  void json(StringBuilder out);
}
