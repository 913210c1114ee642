package nexmark;

/** Prints the digest of the first events of a seed: `Digests COUNT SEED`. */
public final class Digests {
  private Digests() {}

  public static void main(String[] args) {
    int digest = new Generator(Integer.parseInt(args[1])).digestOfEvents(Integer.parseInt(args[0]));
    System.out.println(Integer.toUnsignedString(digest));
  }
}
