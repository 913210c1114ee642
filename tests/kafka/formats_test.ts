/** Formats that need nothing but the bytes: what was written is read again, and what would not be is refused. */
import assert from "node:assert/strict";
import * as Schema from "@effect/schema";
import { Effect, SchemaGetter } from "effect";
import fc from "fast-check";
import * as Kafka from "@weir/streams/kafka";
import { jsonDepthMax } from "../../src/streams/sources/formats/value-decoder.ts";

const codecOf = <A>({ codec }: Kafka.Format<A>): Kafka.Codec<A> => {
  assert.ok(codec !== null);
  return codec;
};

/** What a format makes of its own bytes. */
const roundTrip = <A>(format: Kafka.Format<A>, value: A): A | Kafka.Undecodable => {
  const { encode, decode } = codecOf(format);
  return decode(encode(value));
};

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | null): string | null => bytes === null ? null : new TextDecoder().decode(bytes);

/** Why some bytes have no value in a format. */
const reasonOf = <A>(format: Kafka.Format<A>, bytes: Uint8Array | null): string => {
  const decoded = codecOf(format).decode(bytes);
  assert.ok(decoded instanceof Kafka.Undecodable, `it has a value: ${Deno.inspect(decoded)}`);
  return decoded.reason;
};

const unknown = Kafka.json(Schema.Unknown);

Deno.test("JSON that is written is read again", () =>
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
    // JSON has no negative zero.
    const plain = JSON.parse(JSON.stringify(value));
    assert.deepEqual(roundTrip(unknown, value), plain);
    assert.equal(textOf(codecOf(unknown).encode(value)), JSON.stringify(value));
  })));

Deno.test("text that is written is read again, with marks of byte order and NULs", () =>
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (value) => {
    for (const text of [value, `\ufeff${value}`, `${value}\0`]) assert.equal(roundTrip(Kafka.string(), text), text);
  })));

Deno.test("text that has no form in UTF-8 is refused where it is written, not changed", () => {
  for (const text of ["\ud800", "a\udc00b", "\udc00\ud800"]) {
    assert.throws(() => codecOf(Kafka.string()).encode(text), TypeError);
    // JSON has a form for it.
    assert.equal(roundTrip(unknown, text), text);
  }
});

Deno.test("bytes that are written are read again", () =>
  fc.assert(fc.property(fc.uint8Array(), (value) => {
    const read = roundTrip(Kafka.bytes(), value);
    assert.ok(read instanceof Uint8Array);
    assert.deepEqual([...read], [...value]);
  })));

Deno.test("nullable takes null besides, in both directions; the others refuse it", () => {
  for (const format of [unknown, Kafka.string(), Kafka.bytes()] as ReadonlyArray<Kafka.Format<unknown>>) {
    assert.equal(reasonOf(format, null), "is null, which only Kafka.nullable takes");
    const nullable = codecOf(Kafka.nullable(format));
    assert.equal(nullable.decode(null), null);
    assert.equal(nullable.encode(null), null);
    assert.equal(Kafka.nullable(format).name, `nullable ${format.name}`);
  }
  fc.assert(fc.property(fc.option(fc.string({ unit: "grapheme" })), (value) => {
    assert.equal(roundTrip(Kafka.nullable(Kafka.string()), value), value);
  }));
  // The JSON `null` is a value, and no bytes at all are none.
  assert.equal(codecOf(unknown).decode(utf8("null")), null);
  assert.equal(textOf(codecOf(unknown).encode(null)), "null");
  assert.equal(reasonOf(Kafka.nullable(unknown), new Uint8Array()).startsWith("is not JSON"), true);
  assert.equal(codecOf(Kafka.nullable(Kafka.string())).decode(new Uint8Array()), "");
});

Deno.test("a format that was opened is the one that needs no opening", async () => {
  for (const format of [unknown, Kafka.string(), Kafka.bytes()] as ReadonlyArray<Kafka.Format<unknown>>) {
    for (const one of [format, Kafka.nullable(format)]) {
      const opened = await Effect.runPromise(Effect.scoped(one.open({ writesTo: "t", part: "value" })));
      assert.equal(
        textOf(opened.encode(format.name === "bytes" ? utf8("x") : "x")),
        format.name === "json" ? '"x"' : "x",
      );
    }
  }
});

// ── what is not JSON ────────────────────────────────────────────────────────────────────────────────────────────────

const notUtf8: ReadonlyArray<Uint8Array> = [
  Uint8Array.of(0xff),
  Uint8Array.of(0xc0, 0x80),
  Uint8Array.of(0xed, 0xa0, 0x80),
  Uint8Array.of(0xe2, 0x82),
];

Deno.test("bytes that are not UTF-8 have no value as text or as JSON", () => {
  for (const bytes of notUtf8) {
    for (const format of [unknown, Kafka.string()] as ReadonlyArray<Kafka.Format<unknown>>) {
      assert.equal(reasonOf(format, bytes), "is not UTF-8");
    }
  }
});

Deno.test("whatever the bytes are, decoding says a value or why there is none, and does not throw", () =>
  fc.assert(fc.property(fc.option(fc.uint8Array()), (bytes) => {
    for (
      const format of [
        unknown,
        Kafka.json(Schema.Struct({ a: Schema.Number })),
        Kafka.string(),
        Kafka.string(Schema.NumberFromString),
        Kafka.bytes(),
      ] as ReadonlyArray<Kafka.Format<unknown>>
    ) {
      const decoded = codecOf(format).decode(bytes);
      if (decoded instanceof Kafka.Undecodable) assert.match(decoded.reason, /^(is|does|made) /);
    }
  })));

for (const text of ["", " ", "{", "{'a':1}", "NaN", "undefined", "1 2", "\ufeff1"]) {
  Deno.test(`is no JSON: ${JSON.stringify(text)}`, () => {
    assert.match(reasonOf(unknown, utf8(text)), /^is not JSON/);
  });
}

Deno.test("a number that is larger than any is read as JSON.parse does, and is not written", () => {
  assert.equal(codecOf(unknown).decode(utf8("1e999")), Infinity);
  assert.throws(() => codecOf(unknown).encode(Infinity), /must have a form in JSON: current value is Infinity/);
});

const withoutJson: ReadonlyArray<readonly [what: string, value: unknown, shown: RegExp]> = [
  ["NaN", NaN, /NaN$/],
  ["NaN within", { a: [1, NaN] }, /NaN at a\.1$/],
  ["-Infinity", { a: -Infinity }, /-Infinity at a$/],
  ["undefined", undefined, /undefined$/],
  ["undefined in a list", [undefined], /undefined at 0$/],
  ["a function", () => 1, /current value is/],
  ["a symbol", Symbol("s"), /current value is/],
  ["a date that is none", { a: new Date(NaN) }, /at a$/],
  ["a map", { a: new Map([[1, 2]]) }, /\[object Map\] at a$/],
  ["a bigint", 5n, /./],
  ["a bigint within", { a: 5n }, /./],
];

for (const [what, value, shown] of withoutJson) {
  Deno.test(`has no form in JSON, and is refused where it is written: ${what}`, () => {
    assert.throws(
      () => codecOf(unknown).encode(value),
      (error) => error instanceof TypeError && shown.test(error.message),
    );
  });
}

const nested = (depth: number): unknown => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);

Deno.test("JSON as deep as may be is written and read; deeper is not read", () => {
  const deep = `${"[".repeat(jsonDepthMax)}${"]".repeat(jsonDepthMax)}`;
  assert.ok(!(codecOf(unknown).decode(utf8(deep)) instanceof Kafka.Undecodable));
  assert.equal(textOf(codecOf(unknown).encode(nested(jsonDepthMax))), deep);
  assert.match(reasonOf(unknown, utf8(`[${deep}]`)), /^is nested more than 1000 levels deep$/);
  assert.match(reasonOf(unknown, utf8("[".repeat(100_000))), /^is nested more than|^is not JSON/);
});

// ── schemas ─────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a schema transforms what is read, and back what is written", () => {
  const order = Kafka.json(Schema.Struct({
    id: Schema.NumberFromString,
    at: Schema.DateFromString,
    note: Schema.optionalKey(Schema.String),
  }));
  const value = { id: 5, at: new Date("2026-01-02T03:04:05.678Z") };
  const bytes = codecOf(order).encode(value)!;
  assert.deepEqual(JSON.parse(textOf(bytes)!), { id: "5", at: "2026-01-02T03:04:05.678Z" });
  assert.deepEqual(codecOf(order).decode(bytes), value);
  assert.equal(roundTrip(Kafka.string(Schema.NumberFromString), 42), 42);
  assert.equal(textOf(codecOf(Kafka.string(Schema.NumberFromString)).encode(42)), "42");
  const length = Schema.Uint8Array.pipe(Schema.decodeTo(Schema.Number, {
    decode: SchemaGetter.transform((bytes: Uint8Array) => bytes.length),
    encode: SchemaGetter.transform((length: number) => new Uint8Array(length)),
  }));
  assert.equal(roundTrip(Kafka.bytes(length), 7), 7);
});

Deno.test("what does not match the schema has no value, and is refused where it is written", () => {
  const order = Kafka.json(Schema.Struct({ id: Schema.Int }));
  assert.match(reasonOf(order, utf8('{"id":"5"}')), /^does not match the schema: .*id/);
  assert.match(reasonOf(order, utf8('{"id":0.5}')), /^does not match the schema/);
  assert.match(reasonOf(order, utf8("{}")), /^does not match the schema/);
  for (const wrong of [{ id: 0.5 }, {}, null, "x"]) {
    assert.throws(
      () => codecOf(order).encode(wrong as never),
      /^TypeError: Cannot encode a value as its schema must take it: /,
    );
  }
  assert.throws(() => codecOf(Kafka.string()).encode(5 as never), TypeError);
  assert.throws(() => codecOf(Kafka.string()).encode(undefined as never), TypeError);
  assert.throws(() => codecOf(Kafka.bytes()).encode("x" as never), /must be a Uint8Array: current value is "x"/);
  assert.throws(() => codecOf(Kafka.bytes()).encode(null as never), /must be a Uint8Array: current value is null/);
  assert.match(reasonOf(Kafka.string(Schema.String.check(Schema.isMinLength(2))), utf8("x")), /^does not match/);
});

Deno.test("a schema that throws is a reason, not a defect", () => {
  const throws = Schema.String.pipe(Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transform((): string => {
      throw new Error("oh");
    }),
    encode: SchemaGetter.transform((text: string) => text),
  }));
  for (const format of [Kafka.json(throws), Kafka.string(throws)]) {
    assert.match(reasonOf(format, utf8(format.name === "json" ? '"x"' : "x")), /^made the schema throw: oh/);
  }
});

Deno.test("what a schema leaves out is neither read nor written", () => {
  const order = Kafka.json(Schema.Struct({ id: Schema.Number }));
  assert.deepEqual(codecOf(order).decode(utf8('{"id":1,"more":2}')), { id: 1 });
  assert.equal(textOf(codecOf(order).encode({ id: 1, more: 2 } as never)), '{"id":1}');
});

Deno.test("a name such as __proto__ is a name like any other", () => {
  const read = codecOf(unknown).decode(utf8('{"__proto__":{"a":1}}')) as Record<string, unknown>;
  assert.deepEqual(Object.keys(read), ["__proto__"]);
  assert.equal(textOf(codecOf(unknown).encode(read)), '{"__proto__":{"a":1}}');
});
