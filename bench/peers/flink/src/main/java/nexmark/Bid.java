package nexmark;

/** What somebody would pay for what is sold in an auction. */
public final class Bid {
  public long auction;
  public long bidder;
  public long price;
  public String channel;
  public String url;
  public long dateTime;
  public String extra;
}
