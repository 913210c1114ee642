package streams;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;

/** What a record of the input says; that it is padded to its size is of no interest. */
@JsonIgnoreProperties(ignoreUnknown = true)
record Event(String user, long amount, long at) {}
