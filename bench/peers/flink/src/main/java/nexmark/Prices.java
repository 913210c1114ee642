package nexmark;

/** Prices, of which each power of ten has the same share; the same bits as bench/nexmark/prices.ts. */
final class Prices {
  private static final int STEPS_PER_DECADE = 1_024;
  private static final int DECADES = 6;

  /** What numbers within a decade are counted in while the table is made: it stands for 1. */
  private static final long UNIT = 10_000_000;

  /** The {@code STEPS_PER_DECADE}th root of ten, in units. */
  private static final long FACTOR = 10_022_511;

  /** The least price, in cents. */
  private static final int PRICE_MIN = 100;

  private static final int STEPS = DECADES * STEPS_PER_DECADE;

  /** The prices at which the steps begin, and the end of the last one. */
  private static final int[] TABLE = table();

  private Prices() {}

  private static int[] table() {
    int[] table = new int[STEPS + 1];
    long mantissa = UNIT;
    for (int k = 0; k < STEPS_PER_DECADE; k++) {
      long power = PRICE_MIN;
      for (int decade = 0; decade < DECADES; decade++) {
        table[decade * STEPS_PER_DECADE + k] = (int) (mantissa * power / UNIT);
        power *= 10;
      }
      mantissa = mantissa * FACTOR / UNIT;
    }
    table[STEPS] = PRICE_MIN * 1_000_000;
    return table;
  }

  /** The price that a word draws. Its place in the table is a step and 65,536ths of one. */
  static int of(int word) {
    int place = (int) ((word & 0xffffffffL) * STEPS >>> 16);
    int step = place >>> 16;
    int from = TABLE[step];
    return from + (int) ((long) (TABLE[step + 1] - from) * (place & 0xffff) >>> 16);
  }
}
