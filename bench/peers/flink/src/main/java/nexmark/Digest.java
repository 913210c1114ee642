package nexmark;

/** Digests of texts: 32-bit FNV-1a over their code units; the same bits as bench/nexmark/digest.ts. */
final class Digest {
  static final int BASIS = 0x811c9dc5;

  private static final int PRIME = 0x01000193;

  private Digest() {}

  static int of(CharSequence text) {
    return of(text, BASIS);
  }

  /** Goes on with a digest over a text. */
  static int of(CharSequence text, int before) {
    int hash = before;
    for (int i = 0; i < text.length(); i++) hash = (hash ^ text.charAt(i)) * PRIME;
    return hash;
  }
}
