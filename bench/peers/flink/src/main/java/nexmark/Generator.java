package nexmark;

import java.io.Serializable;
import java.time.Duration;

/**
 * Nexmark events as a pure function of their number; the same bits as bench/nexmark/generator.ts, whose head says how
 * they are made.
 */
final class Generator implements Serializable {
  private static final long serialVersionUID = 1;

  private static final int PERSON_PROPORTION = 1;
  private static final int AUCTION_PROPORTION = 3;
  private static final int TOTAL_PROPORTION = 50;

  private static final int FIRST_AUCTION_ID = 1_000;
  private static final int FIRST_PERSON_ID = 1_000;
  private static final int FIRST_CATEGORY_ID = 10;
  private static final int CATEGORIES = 5;

  private static final int HOT_AUCTION_RATIO = 2;
  private static final int HOT_BIDDERS_RATIO = 4;
  private static final int HOT_SELLERS_RATIO = 4;
  private static final int HOT_EVERY = 100;
  private static final int HOT_CHANNELS_RATIO = 2;

  private static final int ACTIVE_PEOPLE = 1_000;
  private static final int IN_FLIGHT_AUCTIONS = 100;
  private static final int ID_LEAD = 10;

  private static final int PERSON_BYTES = 200;
  private static final int AUCTION_BYTES = 500;
  private static final int BID_BYTES = 100;
  private static final int NUMBER_BYTES = 8;

  private static final int ITEM_NAME_MAX = 20;
  private static final int DESCRIPTION_MAX = 100;
  private static final int TEXT_MIN = 3;

  private static final int SHUFFLE = 953;

  /** How many events happen in a second of event time, unless another number is asked for. */
  static final int EVENTS_PER_SECOND = 10_000;

  private static final int GROUP_SIZE = 1_000;

  /** 15 July 2015, 00:00 UTC. */
  private static final long FIRST_EVENT_TIME = 1_436_918_400_000L;

  /** How many events it takes until so many auctions have opened as are in flight. */
  private static final int EVENTS_IN_FLIGHT = IN_FLIGHT_AUCTIONS * TOTAL_PROPORTION / AUCTION_PROPORTION;

  private final int seedWord;
  private final int eventsPerSecond;

  Generator(int seed, int eventsPerSecond) {
    seedWord = Chance.mix(seed);
    this.eventsPerSecond = eventsPerSecond;
  }

  /** By how much an event's time is at most before that of one that came earlier. */
  Duration outOfOrderBound() {
    return Duration.ofMillis(((GROUP_SIZE - 1) * 1_000L + eventsPerSecond - 1) / eventsPerSecond);
  }

  /** Lets an event be event {@code n}. The person, auction or bid is a new object. */
  void fill(Event event, int n) {
    int place = n % GROUP_SIZE;
    int number = n - place + place * SHUFFLE % GROUP_SIZE;
    int word = Chance.eventWord(seedWord, number);
    long dateTime = timeOf(number);
    int offset = number % TOTAL_PROPORTION;
    int rounds = number / TOTAL_PROPORTION;
    event.person = null;
    event.auction = null;
    event.bid = null;
    int opened = rounds * AUCTION_PROPORTION;
    if (offset < PERSON_PROPORTION) {
      event.person = person(word, dateTime, rounds);
    } else if (offset < PERSON_PROPORTION + AUCTION_PROPORTION) {
      event.auction = auction(word, number, dateTime, opened + offset - PERSON_PROPORTION, rounds);
    } else {
      event.bid = bid(word, dateTime, opened + AUCTION_PROPORTION - 1, rounds);
    }
  }

  private long timeOf(long number) {
    return FIRST_EVENT_TIME + number * 1_000 / eventsPerSecond;
  }

  private static Person person(int word, long dateTime, int last) {
    Person person = new Person();
    person.id = FIRST_PERSON_ID + last;
    person.name = Texts.NAMES[Chance.below(Texts.NAMES.length, Chance.drawOf(word, 1))];
    person.emailAddress = Texts.EMAILS[Chance.below(Texts.EMAILS.length, Chance.drawOf(word, 2))];
    person.creditCard = digits(word, 3) + " " + digits(word, 4) + " " + digits(word, 5) + " " + digits(word, 6);
    person.city = Texts.CITIES[Chance.below(Texts.CITIES.length, Chance.drawOf(word, 7))];
    person.state = Texts.STATES[Chance.below(Texts.STATES.length, Chance.drawOf(word, 8))];
    person.dateTime = dateTime;
    int size = NUMBER_BYTES + person.name.length() + person.emailAddress.length() + person.creditCard.length()
        + person.city.length() + person.state.length();
    person.extra = extra(word, PERSON_BYTES - size, 9, 10);
    return person;
  }

  private static String digits(int word, int draw) {
    return Texts.CARD_DIGITS[Chance.below(Texts.CARD_DIGITS.length, Chance.drawOf(word, draw))];
  }

  private Auction auction(int word, int number, long dateTime, int last, int lastPerson) {
    Auction auction = new Auction();
    int seller = Chance.below(HOT_SELLERS_RATIO, Chance.drawOf(word, 1)) > 0
        ? hot(lastPerson)
        : somePerson(Chance.drawOf(word, 2), lastPerson);
    int horizon = (int) Math.max(2 * (timeOf((long) number + EVENTS_IN_FLIGHT) - dateTime), 1);
    auction.id = FIRST_AUCTION_ID + last;
    auction.itemName = words(word, ITEM_NAME_MAX, 7, 8);
    auction.description = words(word, DESCRIPTION_MAX, 9, 10);
    auction.initialBid = Prices.of(Chance.drawOf(word, 4));
    auction.reserve = auction.initialBid + Prices.of(Chance.drawOf(word, 5));
    auction.dateTime = dateTime;
    auction.expires = dateTime + 1 + Chance.below(horizon, Chance.drawOf(word, 6));
    auction.seller = FIRST_PERSON_ID + seller;
    auction.category = FIRST_CATEGORY_ID + Chance.below(CATEGORIES, Chance.drawOf(word, 3));
    int size = 6 * NUMBER_BYTES + auction.itemName.length() + auction.description.length();
    auction.extra = extra(word, AUCTION_BYTES - size, 11, 12);
    return auction;
  }

  private static Bid bid(int word, long dateTime, int lastAuction, int lastPerson) {
    Bid bid = new Bid();
    bid.auction = FIRST_AUCTION_ID + (Chance.below(HOT_AUCTION_RATIO, Chance.drawOf(word, 1)) > 0
        ? hot(lastAuction)
        : someAuction(Chance.drawOf(word, 2), lastAuction));
    bid.bidder = FIRST_PERSON_ID + (Chance.below(HOT_BIDDERS_RATIO, Chance.drawOf(word, 3)) > 0
        ? hot(lastPerson) + 1
        : somePerson(Chance.drawOf(word, 4), lastPerson));
    boolean isHot = Chance.below(HOT_CHANNELS_RATIO, Chance.drawOf(word, 6)) > 0;
    String[] channels = isHot ? Texts.HOT_CHANNELS : Texts.CHANNELS;
    int channel = Chance.below(channels.length, Chance.drawOf(word, 7));
    bid.price = Prices.of(Chance.drawOf(word, 5));
    bid.channel = channels[channel];
    bid.url = (isHot ? Texts.HOT_URLS : Texts.URLS)[channel];
    bid.dateTime = dateTime;
    bid.extra = extra(word, BID_BYTES - 4 * NUMBER_BYTES, 8, 9);
    return bid;
  }

  /** Padding to an average size: a fifth more or less of what is missing. */
  private static String extra(int word, int missing, int lengthDraw, int placeDraw) {
    if (missing <= 0) return "";
    int delta = (missing * 2 + 5) / 10;
    int length = missing - delta + Chance.below(2 * delta, Chance.drawOf(word, lengthDraw));
    return slice(Texts.PADDING, length, Chance.drawOf(word, placeDraw));
  }

  private static String slice(String text, int length, int word) {
    int from = Chance.below(Texts.SLICES_OF_TEXT, word);
    return text.substring(from, from + length);
  }

  private static String words(int word, int lengthMax, int lengthDraw, int placeDraw) {
    int length = TEXT_MIN + Chance.below(lengthMax - TEXT_MIN, Chance.drawOf(word, lengthDraw));
    return slice(Texts.WORDS, length, Chance.drawOf(word, placeDraw));
  }

  /** A person's number: one of the active ones or of those about to come. */
  private static int somePerson(int word, int last) {
    int people = last + 1;
    int active = Math.min(people, ACTIVE_PEOPLE);
    return people - active + Chance.below(active + ID_LEAD, word);
  }

  /** An auction's number: one of those in flight or about to come. */
  private static int someAuction(int word, int last) {
    int first = Math.max(last - IN_FLIGHT_AUCTIONS, 0);
    return first + Chance.below(last - first + 1 + ID_LEAD, word);
  }

  /** The latest number that is a multiple of {@code HOT_EVERY}. */
  private static int hot(int last) {
    return last - last % HOT_EVERY;
  }

  /** A digest of the first events: their texts, each followed by a line feed. */
  int digestOfEvents(int count) {
    Event event = new Event();
    int digest = Digest.BASIS;
    for (int n = 0; n < count; n++) {
      fill(event, n);
      digest = Digest.of("\n", Digest.of(event.text(), digest));
    }
    return digest;
  }
}
