package nexmark;

/** Somebody who sells and bids. */
public final class Person {
  public long id;
  public String name;
  public String emailAddress;
  public String creditCard;
  public String city;
  public String state;
  public long dateTime;
  public String extra;
}
