package nexmark;

import java.util.Map;
import java.util.TreeMap;

/** The queries by their names. What each answers is said in bench/nexmark/oracle.ts. */
final class Queries {
  private static final Map<String, Query> QUERIES =
      new TreeMap<>(
          Map.ofEntries(
              Map.entry("q0", StatelessQueries::q0),
              Map.entry("q1", StatelessQueries::q1),
              Map.entry("q2", StatelessQueries::q2),
              Map.entry("q5", WindowQueries::q5),
              Map.entry("q7", WindowQueries::q7),
              Map.entry("q11", WindowQueries::q11),
              Map.entry("q12", ClockQuery::q12),
              Map.entry("q14", StatelessQueries::q14),
              Map.entry("q15", ReportQueries::q15),
              Map.entry("q16", ReportQueries::q16),
              Map.entry("q17", WindowQueries::q17),
              Map.entry("q18", LastBids::q18),
              Map.entry("q19", HighestBids::q19),
              Map.entry("q21", StatelessQueries::q21),
              Map.entry("q22", StatelessQueries::q22)));

  private Queries() {}

  static Query named(String name) {
    Query query = QUERIES.get(name);
    if (query == null) throw new IllegalArgumentException("--query takes one of " + QUERIES.keySet() + ": " + name);
    return query;
  }
}
