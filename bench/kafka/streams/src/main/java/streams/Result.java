package streams;

/** What a record of the output says of a user and a window, which begins at `start`. */
record Result(String user, long start, long count, long sum) {}
