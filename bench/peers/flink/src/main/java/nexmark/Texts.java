package nexmark;

/** The texts of the events, all made once; the same characters as bench/nexmark/texts.ts. */
final class Texts {
  private static final char FIRST_LETTER = 'a';
  private static final int LETTERS = 26;

  /** One of so many characters that are not padding is not a letter but a separator. */
  private static final int SEPARATOR_ONE_IN = 13;

  private static final int NUMBER_OF_PADDING = 1;
  private static final int NUMBER_OF_WORDS = 2;
  private static final int NUMBER_OF_EMAILS = 3;
  private static final int NUMBER_OF_HOT_URLS = 4;
  private static final int NUMBER_OF_URLS = 5;

  /** The longest slice that anybody takes of a long text. */
  private static final int SLICE_LENGTH_MAX = 1_024;

  /** How many places there are in a long text at which a slice may begin. */
  static final int SLICES_OF_TEXT = 1 << 16;

  /** Letters, of which padding is a slice. */
  static final String PADDING = text(NUMBER_OF_PADDING, 0, SLICES_OF_TEXT + SLICE_LENGTH_MAX, null);

  /** Letters and spaces, of which names and descriptions are slices. */
  static final String WORDS = text(NUMBER_OF_WORDS, 0, SLICES_OF_TEXT + SLICE_LENGTH_MAX, " ");

  static final String[] STATES = {"AZ", "CA", "ID", "OR", "WA", "WY"};
  static final String[] CITIES = {
    "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"
  };
  private static final String[] FIRST_NAMES = {
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"
  };
  private static final String[] LAST_NAMES = {
    "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"
  };

  /** Every first name with every last name, the last names of one first name side by side. */
  static final String[] NAMES = names();

  static final String[] EMAILS = emails(1_024);

  /** A fourth of a credit card's number. */
  static final String[] CARD_DIGITS = cardDigits();

  static final String[] HOT_CHANNELS = {"Google", "Facebook", "Baidu", "Apple"};
  static final String[] HOT_URLS = hotUrls();
  static final String[] CHANNELS = channels(10_000);

  /** One page in so many has no channel's id. */
  private static final int WITHOUT_ID_ONE_IN = 10;

  static final String[] URLS = urls();

  private Texts() {}

  private static String text(int number, int from, int length, String separator) {
    int seedWord = Chance.mix(number);
    StringBuilder text = new StringBuilder(length);
    for (int i = from; i < from + length; i++) {
      int word = Chance.eventWord(seedWord, i);
      if (separator != null && Chance.below(SEPARATOR_ONE_IN, Chance.drawOf(word, 2)) == 0) text.append(separator);
      else text.append((char) (FIRST_LETTER + Chance.below(LETTERS, Chance.drawOf(word, 1))));
    }
    return text.toString();
  }

  private static String[] names() {
    String[] names = new String[FIRST_NAMES.length * LAST_NAMES.length];
    int k = 0;
    for (String first : FIRST_NAMES) {
      for (String last : LAST_NAMES) names[k++] = first + " " + last;
    }
    return names;
  }

  private static String[] emails(int count) {
    String[] emails = new String[count];
    for (int i = 0; i < count; i++) {
      String text = text(NUMBER_OF_EMAILS, i * 16, 9, null);
      emails[i] = text.substring(0, 5) + "@" + text.substring(5) + ".com";
    }
    return emails;
  }

  private static String[] cardDigits() {
    String[] digits = new String[10_000];
    for (int i = 0; i < digits.length; i++) digits[i] = String.format("%04d", i);
    return digits;
  }

  /** The path of a page: three folders of four characters. */
  private static String page(int number, int i) {
    String text = text(number, i * 16, 12, "_");
    return "https://www.nexmark.com/" + text.substring(0, 4) + "/" + text.substring(4, 8) + "/" + text.substring(8)
        + "/item.htm?query=1";
  }

  private static String[] hotUrls() {
    String[] urls = new String[HOT_CHANNELS.length];
    for (int i = 0; i < urls.length; i++) urls[i] = page(NUMBER_OF_HOT_URLS, i);
    return urls;
  }

  private static String[] channels(int count) {
    String[] channels = new String[count];
    for (int i = 0; i < count; i++) channels[i] = "channel-" + i;
    return channels;
  }

  private static String[] urls() {
    String[] urls = new String[CHANNELS.length];
    int seedWord = Chance.mix(NUMBER_OF_URLS);
    for (int i = 0; i < urls.length; i++) {
      String page = page(NUMBER_OF_URLS, i);
      boolean named = Chance.below(WITHOUT_ID_ONE_IN, Chance.drawOf(Chance.eventWord(seedWord, i * 16), 3)) > 0;
      urls[i] = named ? page + "&channel_id=" + Integer.toUnsignedString(Integer.reverse(i)) : page;
    }
    return urls;
  }
}
