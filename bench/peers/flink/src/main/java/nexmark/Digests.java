package nexmark;

/** Prints the digest of the first events of a seed: `Digests COUNT SEED`. */
public final class Digests {
  private Digests() {}

  public static void main(String[] args) {
    Generator generator = new Generator(Integer.parseInt(args[1]), Generator.EVENTS_PER_SECOND);
    int digest = generator.digestOfEvents(Integer.parseInt(args[0]));
    System.out.println(Integer.toUnsignedString(digest));
  }
}
