package nexmark;

/** Writes flat objects of whole numbers and of texts that need no escapes. */
public final class Json {
  private final StringBuilder text = new StringBuilder();

  Json begin() {
    text.setLength(0);
    text.append('{');
    return this;
  }

  Json add(String name, long value) {
    name(name).append(value);
    return this;
  }

  Json add(String name, String value) {
    name(name).append('"').append(value).append('"');
    return this;
  }

  private StringBuilder name(String name) {
    if (text.length() > 1) text.append(',');
    return text.append('"').append(name).append("\":");
  }

  void end() {
    text.append('}');
  }

  StringBuilder text() {
    return text;
  }
}
