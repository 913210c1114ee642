package nexmark;

/** Chance as a pure function of seed, event number and draw; the same bits as bench/nexmark/random.ts. */
final class Chance {
  /** How far two draws of one event are apart before they are mixed: 2^32 divided by the golden ratio. */
  private static final int DRAW_STEP = 0x9e3779b9;

  private Chance() {}

  /** A bijection of 32-bit words whose every output bit depends on every input bit (the finalizer of MurmurHash3). */
  static int mix(int word) {
    int h = word;
    h = (h ^ h >>> 16) * 0x85ebca6b;
    h = (h ^ h >>> 13) * 0xc2b2ae35;
    return h ^ h >>> 16;
  }

  /** What the draws of one event begin with. */
  static int eventWord(int seedWord, int n) {
    return mix(n ^ seedWord);
  }

  /** Draw {@code k} (from 1) of an event. */
  static int drawOf(int word, int k) {
    return mix(word + k * DRAW_STEP);
  }

  /** A whole number from 0 to below {@code bound}. */
  static int below(int bound, int word) {
    return (int) ((word & 0xffffffffL) * bound >>> 32);
  }
}
