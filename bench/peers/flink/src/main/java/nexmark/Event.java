package nexmark;

/** One of the three kinds of events; the other two fields are null. */
public final class Event {
  public Person person;
  public Auction auction;
  public Bid bid;

  /** In epoch milliseconds. */
  long dateTime() {
    return bid != null ? bid.dateTime : auction != null ? auction.dateTime : person.dateTime;
  }

  /** One text for each event, in the order of its fields: what digests are made of. */
  String text() {
    if (person != null) {
      Person p = person;
      return joined("person", p.id, p.name, p.emailAddress, p.creditCard, p.city, p.state, p.dateTime, p.extra);
    }
    if (auction != null) {
      Auction a = auction;
      return joined("auction", a.id, a.itemName, a.description, a.initialBid, a.reserve, a.dateTime, a.expires,
          a.seller, a.category, a.extra);
    }
    return joined("bid", bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.dateTime, bid.extra);
  }

  private static String joined(Object... fields) {
    StringBuilder text = new StringBuilder();
    for (Object field : fields) text.append(text.length() == 0 ? "" : "|").append(field);
    return text.toString();
  }
}
