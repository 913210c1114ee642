/** Formats of a schema registry, against one that runs. */
import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import * as Schema from "@effect/schema";
import { Effect, Redacted } from "effect";
import avsc from "avsc";
import { KafkaError } from "../../src/kafka/errors.ts";
import type { Codec, Format, FormatUse } from "../../src/kafka/format.ts";
import { nullable } from "../../src/kafka/formats/plain.ts";
import { avro, jsonSchema, schemaRegistry, type SchemaRegistryOptions } from "../../src/kafka/formats/registry.ts";
import { Undecodable } from "../../src/streams/sources/formats/value-decoder.ts";
import { missingRegistry, startRegistry, type TestRegistry } from "./broker/registry.ts";

const missing = await missingRegistry("the tests of the schema registry");
let started: TestRegistry | undefined;

if (missing === null) {
  Deno.test.beforeAll(async () => {
    started = await startRegistry();
  });
  Deno.test.afterAll(() => started?.stop());
}

/** A test that needs the registry, and is given its URL. */
const withRegistry = (name: string, test: (url: string) => Promise<void>): void =>
  Deno.test(name, { ignore: missing !== null }, () => test(started!.url));

const open = <A>(format: Format<A>, use: Partial<FormatUse> = {}): Promise<Codec<A>> =>
  Effect.runPromise(Effect.scoped(format.open({ writesTo: null, part: "value", ...use })));

/** Loads and decodes a batch. */
const decodeAll = async <A>(
  codec: Codec<A>,
  all: ReadonlyArray<Uint8Array | null>,
): Promise<ReadonlyArray<A | Undecodable>> => {
  await Effect.runPromise(codec.load!(all));
  return all.map(codec.decode);
};

const decodeOne = async <A>(codec: Codec<A>, bytes: Uint8Array | null): Promise<A | Undecodable> =>
  (await decodeAll(codec, [bytes]))[0];

const failing = <A>(effect: Effect.Effect<A, KafkaError>): Promise<KafkaError> =>
  Effect.runPromise(Effect.flip(effect));

const failingToOpen = <A>(format: Format<A>, writesTo: string): Promise<KafkaError> =>
  failing(Effect.scoped(format.open({ writesTo, part: "value" })));

/** Registers a schema without us. */
const register = async (
  url: string,
  subject: string,
  schema: unknown,
  other: { readonly schemaType?: string; readonly references?: ReadonlyArray<object> } = {},
): Promise<number> => {
  const answer = await fetch(`${url}/subjects/${encodeURIComponent(subject)}/versions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...other, schema: typeof schema === "string" ? schema : JSON.stringify(schema) }),
  });
  const { id, message } = await answer.json();
  assert.ok(answer.ok, message);
  return id;
};

/** What Confluent's serializer writes around a value. */
const framed = (id: number, body: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(5 + body.length);
  bytes.set([id >>> 24, (id >>> 16) & 255, (id >>> 8) & 255, id & 255], 1);
  bytes.set(body, 5);
  return bytes;
};

const draft07 = "http://json-schema.org/draft-07/schema#";

const textBytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const assertUndecodable = (value: unknown, reason: RegExp): void => {
  assert.ok(value instanceof Undecodable, `decoded ${Deno.inspect(value)}`);
  assert.match(value.reason, reason);
};

const record = (name: string, fields: Readonly<Record<string, unknown>>): object => ({
  type: "record",
  name,
  fields: Object.entries(fields).map(([name, type]) => ({ name, type })),
});

const rideAvro = record("Ride", { id: "string", meters: "long" });
const Ride = Schema.Struct({ id: Schema.String, meters: Schema.Number });
const ride = { id: "x", meters: 5 };

/** The bytes of {@link ride}: a length and a letter, and a number, both zigzag. */
const rideBytes = Uint8Array.of(2, 120, 10);

/** A server that answers as it is told, on loopback. */
const serving = async (
  handler: (request: Request) => Response | Promise<Response>,
  test: (url: string) => Promise<void>,
): Promise<void> => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  try {
    await test(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
};

const rides = (options: SchemaRegistryOptions): Format<typeof Ride.Type> =>
  avro({ registry: schemaRegistry(options), schema: Ride, avro: rideAvro });

withRegistry("Avro that was written is read again, and lies as Confluent's serializer writes it", async (url) => {
  const registry = schemaRegistry({ url });
  const codec = await open(avro({ registry, schema: Ride, avro: rideAvro, register: true }), { writesTo: "rides" });
  const bytes = codec.encode(ride)!;
  const { id } = await (await fetch(`${url}/subjects/rides-value/versions/latest`)).json();
  assert.deepEqual(bytes, framed(id, rideBytes));
  const read = avsc.Type.forSchema(rideAvro as avsc.Schema).fromBuffer(Buffer.from(bytes.subarray(5)));
  assert.deepEqual({ ...read }, ride);
  assert.deepEqual(await decodeOne(codec, bytes), ride);
  // By another process, which knows nothing of the schema.
  const reader = await open(avro({ registry: schemaRegistry({ url }), schema: Ride }));
  assert.deepEqual(await decodeOne(reader, framed(id, rideBytes)), ride);
});

withRegistry("bytes that begin in the middle of a buffer are read", async (url) => {
  const id = await register(url, "middle-value", rideAvro);
  const around = Uint8Array.of(9, 9, 9, ...framed(id, rideBytes), 9);
  assert.deepEqual(await decodeOne(await open(rides({ url })), around.subarray(3, -1)), ride);
});

withRegistry("all of Avro's types become plain values, and back", async (url) => {
  const schema = record("All", {
    nothing: "null",
    yes: "boolean",
    int: "int",
    long: "long",
    huge: "long",
    float: "float",
    double: "double",
    text: "string",
    bytes: "bytes",
    hash: { type: "fixed", name: "Hash", size: 2 },
    price: { type: "bytes", logicalType: "decimal", precision: 9, scale: 2 },
    at: { type: "long", logicalType: "timestamp-millis" },
    kind: { type: "enum", name: "Kind", symbols: ["A", "B"] },
    list: { type: "array", items: ["null", "bytes"] },
    map: { type: "map", values: { type: "record", name: "Point", fields: [{ name: "x", type: "double" }] } },
    maybe: ["null", "long"],
    several: { type: "array", items: ["int", "long", "string"] },
  });
  const value = {
    nothing: null,
    yes: true,
    int: -1,
    long: Number.MAX_SAFE_INTEGER,
    huge: -(2n ** 63n),
    float: 0.5,
    double: 1e300,
    text: "ä\u{1f600}",
    bytes: Uint8Array.of(1, 2),
    hash: Uint8Array.of(3, 4),
    price: Uint8Array.of(5),
    at: 1_700_000_000_000,
    kind: "B",
    list: [null, Uint8Array.of(6)],
    map: { a: { x: 1 }, b: { x: 2 } },
    maybe: 2n ** 53n,
    several: [{ int: 4 }, { long: 4 }, { string: "4" }],
  };
  const format = avro({ registry: schemaRegistry({ url }), schema: Schema.Unknown, avro: schema, register: true });
  const codec = await open(format, { writesTo: "all" });
  const read = await decodeOne(codec, codec.encode(value));
  assert.deepStrictEqual(read, value);
  assert.deepStrictEqual(structuredClone(read), value);
  const { bytes } = read as typeof value;
  assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype);
  assert.equal(bytes.buffer.byteLength, 2);
});

withRegistry("longs are exact, whatever their size", async (url) => {
  const longs = record("Longs", { longs: { type: "array", items: "long" }, double: "double" });
  const format = avro({ registry: schemaRegistry({ url }), schema: Schema.Unknown, avro: longs, register: true });
  const codec = await open(format, { writesTo: "longs" });
  const near = (power: bigint): ReadonlyArray<bigint> => [-1n, 0n, 1n].map((more) => 2n ** power + more);
  const all = [0n, ...[31n, 32n, 51n, 52n, 53n].flatMap(near), 2n ** 63n - 1n].flatMap((long) => [long, -long]);
  for (const long of [...all, -(2n ** 63n)]) {
    const asNumber = Number.isSafeInteger(Number(long)) ? Number(long) : long;
    const value = { longs: [1, asNumber], double: 0.5 };
    const bytes = codec.encode(value)!;
    // A count of two, one in zigzag, the number in zigzag, the end of the array, and the double
    const zigzag = long < 0n ? -2n * long - 1n : 2n * long;
    assert.deepEqual(bytes.subarray(5, -9), Uint8Array.of(4, 2, ...varint(zigzag)), `${long}`);
    assert.deepStrictEqual(await decodeOne(codec, bytes), value, `${long}`);
  }
  assert.throws(
    () => codec.encode({ longs: [2n ** 63n], double: 0 }),
    /current value is 9223372036854775808n at longs.0$/,
  );
  assert.throws(() => codec.encode({ longs: [2 ** 53], double: 0 }), /current value is 9007199254740992 at longs.0$/);
});

/** A number in groups of seven bits, the lowest first. */
const varint = (number: bigint): ReadonlyArray<number> =>
  number < 128n ? [Number(number)] : [Number(number & 127n) | 128, ...varint(number >> 7n)];

withRegistry("an old record is read by a newer Schema, whose new field is optional", async (url) => {
  const old = await register(url, "evolving-value", rideAvro);
  const newer = record("Ride", { id: "string", meters: "long" });
  (newer as { fields: Array<object> }).fields.push({ name: "driver", type: ["null", "string"], default: null });
  const Newer = Schema.Struct({
    id: Schema.String,
    meters: Schema.Number,
    driver: Schema.optionalKey(Schema.NullOr(Schema.String)),
  });
  const format = avro({ registry: schemaRegistry({ url }), schema: Newer, avro: newer, register: true });
  const codec = await open(format, { writesTo: "evolving" });
  const recent = { ...ride, driver: "ada" };
  const bytes = [framed(old, rideBytes), codec.encode(recent), codec.encode(ride)];
  assert.deepEqual(await decodeAll(codec, bytes), [ride, recent, { ...ride, driver: null }]);
});

withRegistry("Avro schemas may refer to others, and these to others", async (url) => {
  const part = (name: string, field: object): object => ({ type: "record", name, namespace: "shop", fields: [field] });
  await register(url, "shop.Money", part("Money", { name: "cents", type: "long" }));
  await register(url, "shop.Line", part("Line", { name: "price", type: "shop.Money" }), {
    references: [{ name: "shop.Money", subject: "shop.Money", version: 1 }],
  });
  const id = await register(
    url,
    "orders-value",
    part("Order", { name: "lines", type: { type: "array", items: "Line" } }),
    {
      references: [{ name: "shop.Line", subject: "shop.Line", version: 1 }],
    },
  );
  const codec = await open(avro({ registry: schemaRegistry({ url }), schema: Schema.Unknown }));
  assert.deepEqual(await decodeOne(codec, framed(id, Uint8Array.of(4, 6, 8, 0))), {
    lines: [{ price: { cents: 3 } }, { price: { cents: 4 } }],
  });
});

withRegistry("JSON that was written is read again, by the JSON schema of the Schema", async (url) => {
  const Visit = Schema.Struct({ page: Schema.String, at: Schema.DateFromString });
  const visit = { page: "/", at: new Date(0) };
  const format = jsonSchema({ registry: schemaRegistry({ url }), schema: Visit, register: true });
  const codec = await open(format, { writesTo: "visits" });
  const { id, schema } = await (await fetch(`${url}/subjects/visits-value/versions/latest`)).json();
  assert.equal(JSON.parse(schema).$schema, "http://json-schema.org/draft-07/schema#");
  const bytes = codec.encode(visit)!;
  assert.deepEqual(bytes, framed(id, textBytes('{"page":"/","at":"1970-01-01T00:00:00.000Z"}')));
  assert.deepEqual(await decodeOne(codec, bytes), visit);
  assertUndecodable(
    await decodeOne(codec, framed(id, textBytes('{"page":7}'))),
    /^does not fit its JSON schema: must have required property 'at'$/,
  );
});

withRegistry("JSON that does not fit is refused, and says where", async (url) => {
  const strict = { type: "object", properties: { page: { type: "string", minLength: 1 } }, required: ["page"] };
  const id = await register(url, "strict-value", strict, { schemaType: "JSON" });
  const Page = Schema.Struct({ page: Schema.String });
  const codec = await open(jsonSchema({ registry: schemaRegistry({ url }), schema: Page }), { writesTo: "strict" });
  const [good, short, none, notText, deep] = await decodeAll(codec, [
    codec.encode({ page: "/" }),
    framed(id, textBytes('{"page":""}')),
    framed(id, textBytes('{"page":')),
    framed(id, Uint8Array.of(34, 255, 34)),
    framed(id, textBytes("[".repeat(5_000) + "]".repeat(5_000))),
  ]);
  assert.deepEqual(good, { page: "/" });
  assertUndecodable(short, /^does not fit its JSON schema: must NOT have fewer than 1 characters at \/page$/);
  assertUndecodable(none, /^is not JSON: /);
  assertUndecodable(notText, /^is not UTF-8$/);
  assertUndecodable(deep, /^is nested more than 1000 levels deep$/);
  assert.throws(() => codec.encode({ page: "" }), /must fit its JSON schema: current value must NOT have fewer/);
});

withRegistry("JSON schemas may refer to others by any name, and be of another draft", async (url) => {
  await register(url, "page", { $schema: draft07, type: "string", minLength: 1 }, { schemaType: "JSON" });
  const id = await register(url, "linked-value", {
    $schema: draft07,
    type: "object",
    properties: { page: { $ref: "page.json" } },
  }, { schemaType: "JSON", references: [{ name: "page.json", subject: "page", version: 1 }] });
  const newest = await register(url, "newest-value", {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    prefixItems: [{ type: "string" }],
    items: false,
  }, { schemaType: "JSON" });
  const codec = await open(jsonSchema({ registry: schemaRegistry({ url }), schema: Schema.Unknown }));
  const [good, bad, goodNewest, badNewest] = await decodeAll(codec, [
    framed(id, textBytes('{"page":"/"}')),
    framed(id, textBytes('{"page":""}')),
    framed(newest, textBytes('["a"]')),
    framed(newest, textBytes('["a","b"]')),
  ]);
  assert.deepEqual(good, { page: "/" });
  assertUndecodable(bad, /fewer than 1 characters at \/page$/);
  assert.deepEqual(goodNewest, ["a"]);
  assertUndecodable(badNewest, /must NOT have more than 1 items$/);
});

withRegistry("what cannot be decoded does not harm its neighbours", async (url) => {
  const id = await register(url, "mixed-value", rideAvro);
  const jsonId = await register(url, "mixed-json-value", { $schema: draft07, type: "object" }, { schemaType: "JSON" });
  const codec = await open(rides({ url }));
  const good = framed(id, rideBytes);
  const decoded = await decodeAll(codec, [
    good,
    framed(77_777, rideBytes),
    textBytes('{"id":"x"}'),
    good.subarray(0, 3),
    new Uint8Array(),
    null,
    good.subarray(0, -1),
    framed(id, Uint8Array.of(...rideBytes, 0)),
    framed(id, Uint8Array.of(3, 120, 10)),
    framed(jsonId, textBytes("{}")),
    good,
  ]);
  const [first, unknown, json, short, empty, none, truncated, trailing, negative, other, last] = decoded;
  assert.deepEqual([first, last], [ride, ride]);
  assertUndecodable(unknown, /^names schema 77777, which the registry does not know$/);
  assertUndecodable(json, /^does not begin with a zero byte and the id of its schema: its first byte is 123$/);
  assertUndecodable(short, /^is too short to name its schema: it has 3 of at least 5 bytes$/);
  assertUndecodable(empty, /^is too short to name its schema: it has 0 of at least 5 bytes$/);
  assertUndecodable(none, /^is null, which only Kafka.nullable takes$/);
  assertUndecodable(truncated, /^does not fit its Avro schema: truncated buffer$/);
  assertUndecodable(trailing, /^does not fit its Avro schema: trailing data$/);
  assertUndecodable(negative, /^does not fit its Avro schema: truncated buffer$/);
  assertUndecodable(other, /^names schema \d+, which is for JSON, not for Avro$/);
  assert.equal(await decodeOne(nullable(await orNull(rides({ url }))).codec!, null), null);
});

/** A format with the codec that it opens. */
const orNull = async <A>(format: Format<A>): Promise<Format<A>> => ({ ...format, codec: await open(format) });

withRegistry("a few broken bytes do not claim all memory", async (url) => {
  const lists = record("Lists", {
    numbers: { type: "array", items: "long" },
    nulls: { type: "array", items: "null" },
    map: { type: "map", values: ["null", { type: "array", items: "string" }] },
  });
  const id = await register(url, "lists-value", lists);
  const codec = await open(avro({ registry: schemaRegistry({ url }), schema: Schema.Unknown }));
  const huge = [254, 255, 255, 255, 255, 255, 255, 255, 127]; // 2 ** 62 - 1
  const [good, numbers, nulls, sizes, protos, branch] = await decodeAll(
    codec,
    [
      // Two blocks of numbers, of which the first says its size; two nulls; a map with two keys
      [1, 2, 2, 2, 4, 0, 4, 0, 4, 2, 97, 0, 2, 98, 2, 2, 2, 120, 0, 0],
      [...huge],
      [0, ...huge],
      [253, 255, 255, 255, 15, 2],
      [0, 0, 2, 18, ...textBytes("__proto__"), 2, 0, 0],
      [0, 0, 2, 2, 97, 8],
    ].map((body) => framed(id, Uint8Array.from(body))),
  );
  assert.deepEqual(good, { numbers: [1, 2], nulls: [null, null], map: { a: null, b: ["x"] } });
  for (const claim of [numbers, nulls, sizes]) {
    assertUndecodable(claim, /^does not fit its Avro schema: it claims more items than its \d+ bytes can hold$/);
  }
  assertUndecodable(protos, /^does not fit its Avro schema: a map has the key "__proto__"$/);
  assertUndecodable(branch, /^does not fit its Avro schema: a union has no branch 4$/);
});

withRegistry("what is nested too deeply cannot be decoded", async (url) => {
  const id = await register(url, "chain-value", record("Chain", { next: ["null", "Chain"] }));
  const codec = await open(avro({ registry: schemaRegistry({ url }), schema: Schema.Unknown }));
  const chain = (links: number): Uint8Array => framed(id, new Uint8Array(links + 1).fill(2, 0, links));
  const [short, long, longest] = await decodeAll(codec, [chain(1), chain(1_500), chain(1_000_000)]);
  assert.deepEqual(short, { next: { next: null } });
  assertUndecodable(long, /^does not fit its Avro schema: it is nested more than 1000 levels deep$/);
  assertUndecodable(longest, /^does not fit its Avro schema: /);
});

withRegistry("a value that does not fit is not written, and the error says where", async (url) => {
  const format = avro({ registry: schemaRegistry({ url }), schema: Schema.Unknown, avro: rideAvro, register: true });
  const codec = await open(format, { writesTo: "misfits" });
  assert.throws(
    () => codec.encode({ id: "x", meters: 1.5 }),
    new TypeError("Cannot encode a value as it must fit its Avro schema: current value is 1.5 at meters"),
  );
  assert.throws(() => codec.encode(null), /must fit its Avro schema: current value is null$/);
  const cyclic: Record<string, unknown> = {};
  cyclic.id = cyclic;
  assert.throws(() => codec.encode(cyclic), TypeError);
  const typed = await open(rides({ url }), { writesTo: "misfits" });
  assert.throws(() => typed.encode({ id: 7 } as never), /as its schema must take it: /);
  const reader = await open(rides({ url }));
  assert.throws(() => reader.encode(ride), /must be opened for the topic that is written/);
});

withRegistry("the key of a topic has a subject of its own, and a subject may be given", async (url) => {
  const text = record("Key", { id: "string" });
  const byTopic = { registry: schemaRegistry({ url }), schema: Schema.Unknown, avro: text, register: true };
  await open(avro(byTopic), { writesTo: "keyed", part: "key" });
  await open(avro({ ...byTopic, subject: "my/own subject" }), { writesTo: "keyed" });
  const subjects: ReadonlyArray<string> = await (await fetch(`${url}/subjects`)).json();
  assert.deepEqual(subjects.filter((subject) => /^(keyed|my)/.test(subject)).sort(), ["keyed-key", "my/own subject"]);
});

withRegistry("without a schema of our own the latest of the subject is what is written", async (url) => {
  const newer = { ...rideAvro, fields: [{ name: "id", type: "string" }, { name: "meters", type: "long", default: 7 }] };
  await register(url, "latest-value", rideAvro);
  const id = await register(url, "latest-value", newer);
  const registry = schemaRegistry({ url });
  const Id = Schema.Struct({ id: Schema.String });
  const codec = await open(avro({ registry, schema: Id }), { writesTo: "latest" });
  assert.deepEqual(codec.encode({ id: "x" }), framed(id, Uint8Array.of(2, 120, 14)));
});

withRegistry("registering asks for nothing else, and leaves what is compatible to the registry", async (url) => {
  const asked: Array<string> = [];
  const passing = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    asked.push(`${request.method} ${pathname}`);
    const body = request.method === "GET" ? null : await request.text();
    return await fetch(url + pathname, { method: request.method, headers: request.headers, body });
  };
  await serving(passing, async (passed) => {
    const registry = schemaRegistry({ url: passed });
    const format = avro({ registry, schema: Ride, avro: rideAvro, register: true });
    const codec = await open(format, { writesTo: "passed" });
    const id = new DataView(codec.encode(ride)!.buffer).getUint32(1);
    assert.deepEqual(asked, ["POST /subjects/passed-value/versions", `GET /schemas/ids/${id}`]);
  });
});

withRegistry("a subject or schema that is not registered is an error that says how to register it", async (url) => {
  const missingSubject = await failingToOpen(rides({ url }), "nothing");
  assert.equal(missingSubject.code, "SCHEMA_REGISTRY");
  assert.equal(missingSubject.retryable, false);
  assert.match(missingSubject.message, /^Cannot write Avro of subject "nothing-value" as the schema registry at http:/);
  assert.match(missingSubject.message, /must have this schema of it \(register it, or give `register: true`\)/);
  const latest = await failingToOpen(avro({ registry: schemaRegistry({ url }), schema: Ride }), "nothing");
  assert.match(latest.message, /must have a schema of it \(register one, or give the schema and `register: true`\)/);
  await register(url, "something-value", record("Other", { id: "string" }));
  const missingSchema = await failingToOpen(rides({ url }), "something");
  assert.equal(missingSchema.retryable, false);
  assert.match(missingSchema.message, /must have this schema of it/);
  await register(url, "json-value", { $schema: draft07, type: "object" }, { schemaType: "JSON" });
  const wrongType = await failingToOpen(avro({ registry: schemaRegistry({ url }), schema: Ride }), "json");
  assert.match(wrongType.message, /must have a schema for Avro there: current value is schema \d+, which is for JSON$/);
});

withRegistry("an incompatible or invalid schema is an error that no restart heals", async (url) => {
  await register(url, "strictly-value", rideAvro);
  await fetch(`${url}/config/strictly-value`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ compatibility: "BACKWARD" }),
  }).then((answer) => answer.body?.cancel());
  const registry = schemaRegistry({ url });
  const writing = (avroSchema: object) => avro({ registry, schema: Ride, avro: avroSchema, register: true });
  const incompatible = await failingToOpen(writing(record("Ride", { id: "int", meters: "long" })), "strictly");
  assert.equal(incompatible.retryable, false);
  assert.match(
    incompatible.message,
    /subject "strictly-value" as the schema registry at http.* must find the schema comp/,
  );
  const invalid = await failingToOpen(writing({ type: "nonsense" }), "strictly");
  assert.equal(invalid.retryable, false);
  assert.match(invalid.message, /must find the schema valid: current value is "HTTP 422: /);
});

withRegistry("two registries with the same ids do not mix", async (url) => {
  const answers = (schema: object): Response => Response.json({ schema: JSON.stringify(schema) });
  await serving(() => answers(record("A", { a: "string" })), async (urlA) => {
    await serving(() => answers(record("B", { b: "string" })), async (urlB) => {
      const codecs = await Promise.all(
        [urlA, urlB, url].map((url) => open(avro({ registry: schemaRegistry({ url }), schema: Schema.Unknown }))),
      );
      const bytes = framed(424_242, Uint8Array.of(2, 120));
      const [a, b, none] = await Promise.all(codecs.map((codec) => decodeOne(codec, bytes)));
      assert.deepEqual([a, b], [{ a: "x" }, { b: "x" }]);
      assertUndecodable(none, /does not know$/);
    });
  });
});

Deno.test("a schema is loaded once, and one that is unknown is asked for again after a second", async () => {
  const asked: Array<string> = [];
  let isKnown = false;
  const handler = ({ url }: Request): Response => {
    asked.push(new URL(url).pathname);
    if (url.endsWith("/1") || isKnown) return Response.json({ schema: JSON.stringify(rideAvro) });
    return Response.json({ error_code: 40403, message: "Schema not found" }, { status: 404 });
  };
  await serving(handler, async (url) => {
    const codec = await open(rides({ url: `${url}/api/` }));
    const all = [framed(1, rideBytes), framed(2, rideBytes), framed(1, rideBytes)];
    for (let batch = 0; batch < 3; batch++) {
      const [first, second, third] = await decodeAll(codec, all);
      assert.deepEqual([first, third], [ride, ride]);
      assertUndecodable(second, /^names schema 2, which the registry does not know$/);
    }
    assert.deepEqual(asked.toSorted(), ["/api/schemas/ids/1", "/api/schemas/ids/2"]);
    isKnown = true;
    await new Promise((done) => setTimeout(done, 1_100));
    assert.deepEqual(await decodeAll(codec, all), [ride, ride, ride]);
    assert.equal(asked.length, 3);
  });
});

Deno.test("a schema that only some servers of a registry know yet is an error that may pass", async () => {
  let isKnown = false;
  const handler = ({ method }: Request): Response => {
    if (method === "POST") return Response.json({ id: 7 });
    return isKnown
      ? Response.json({ schema: JSON.stringify(rideAvro) })
      : Response.json({ error_code: 40403, message: "Schema not found" }, { status: 404 });
  };
  await serving(handler, async (url) => {
    const format = rides({ url });
    const error = await failingToOpen(format, "rides");
    assert.equal(error.retryable, true);
    assert.match(error.message, /current value is a subject that names schema 7, which the registry does not know$/);
    isKnown = true;
    const codec = await open(format, { writesTo: "rides" });
    assert.deepEqual(codec.encode(ride), framed(7, rideBytes));
  });
});

Deno.test("a schema that cannot be used, or refers to one that is not there, rejects only its records", async () => {
  const answers: Readonly<Record<string, object>> = {
    "/schemas/ids/1": { schema: JSON.stringify(rideAvro) },
    "/schemas/ids/2": { schema: "syntax = 'proto3';", schemaType: "PROTOBUF" },
    "/schemas/ids/3": { schema: '"nonsense"' },
    "/schemas/ids/4": { schema: '"Part"', references: [{ name: "Part", subject: "part", version: 1 }] },
    "/schemas/ids/5": { schema: '{"$ref":"lost"}', schemaType: "JSON" },
    "/schemas/ids/6": { schema: '{"$async":true}', schemaType: "JSON" },
  };
  const handler = ({ url }: Request): Response => {
    const answer = answers[new URL(url).pathname];
    return Response.json(answer ?? { error_code: 40401 }, { status: answer === undefined ? 404 : 200 });
  };
  await serving(handler, async (url) => {
    const all = [1, 2, 3, 4, 5, 6].map((id) => framed(id, rideBytes));
    const [good, protobuf, nonsense, dangling, lost, waiting] = await decodeAll(await open(rides({ url })), all);
    assert.deepEqual(good, ride);
    assertUndecodable(protobuf, /^names schema 2, which cannot be used: it is of type "PROTOBUF"$/);
    assertUndecodable(nonsense, /^names schema 3, which cannot be used: undefined type name: nonsense$/);
    assertUndecodable(dangling, /^names schema 4, which refers to a schema that the registry does not know$/);
    assertUndecodable(lost, /^names schema 5, which cannot be used: can't resolve reference lost/);
    assertUndecodable(waiting, /^names schema 6, which cannot be used: schemas with "\$async" are not supported$/);
  });
});

Deno.test("more schemas than are kept are decoded nevertheless", async () => {
  const handler = ({ url }: Request): Response => {
    const id = /\d+$/.exec(url)![0];
    return Response.json({ schema: JSON.stringify(record(`R${id}`, { [`f${id}`]: "int" })) });
  };
  await serving(handler, async (url) => {
    const codec = await open(avro({ registry: schemaRegistry({ url, schemasMax: 2 }), schema: Schema.Unknown }));
    const ids = Array.from({ length: 40 }, (_, id) => id);
    const decoded = await decodeAll(codec, ids.map((id) => framed(id, Uint8Array.of(2))));
    assert.deepEqual(decoded, ids.map((id) => ({ [`f${id}`]: 1 })));
  });
});

/** Checks the error of a load that must fail by itself in time. */
const failingToLoad = async (options: SchemaRegistryOptions): Promise<KafkaError> => {
  const codec = await open(rides(options));
  const began = performance.now();
  const error = await failing(codec.load!([framed(1, rideBytes)]));
  assert.ok(performance.now() - began < 5_000);
  assert.ok(error instanceof KafkaError);
  assert.equal(error.code, "SCHEMA_REGISTRY");
  return error;
};

Deno.test("a registry that is down is an error that may pass", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const error = await failingToLoad({ url: `http://127.0.0.1:${port}`, timeout: "1 second" });
  assert.equal(error.retryable, true);
  assert.match(
    error.message,
    /^Cannot load schema 1 as the schema registry at http:\/\/127\.0\.0\.1:\d+ must answer: /,
  );
});

Deno.test("that the program may not reach the registry is an error that no restart heals", {
  permissions: { net: false, read: true },
}, async () => {
  const error = await failingToLoad({ url: "http://127.0.0.1:8081" });
  assert.equal(error.retryable, false);
  assert.match(error.message, /must do so: current value is "Requires net access to \\"127\.0\.0\.1:8081\\"/);
});

Deno.test("a registry that comes back in time is no error", async () => {
  let failures = 2;
  const handler = (): Response =>
    failures-- > 0 ? new Response(null, { status: 503 }) : Response.json({ schema: JSON.stringify(rideAvro) });
  await serving(handler, async (url) => {
    assert.deepEqual(await decodeOne(await open(rides({ url })), framed(1, rideBytes)), ride);
  });
});

Deno.test("a registry that takes connections and never answers is given up", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken: Array<Deno.TcpConn> = [];
  const taking = (async () => {
    for await (const connection of listener) taken.push(connection);
  })();
  const error = await failingToLoad({ url: `http://127.0.0.1:${listener.addr.port}`, timeout: "500 millis" });
  assert.equal(error.retryable, true);
  assert.match(error.message, /must answer within 500 ms: current value is no answer$/);
  listener.close();
  await taking;
  assert.equal(taken.length, 1);
  taken.forEach((connection) => connection.close());
});

Deno.test("what an answer means for a restart is told from its status", async () => {
  const cases: ReadonlyArray<readonly [status: number, body: string | null, retryable: boolean]> = [
    [500, "null", true],
    [503, "<html>", true],
    [408, null, true],
    [429, '{"error_code":42901,"message":"slower"}', true],
    [200, "<html>Sign in</html>", true],
    [200, "null", true],
    [200, "{}", true],
    [400, '{"error_code":400,"message":"no"}', false],
    [404, "<html>No such page</html>", false],
    [404, '{"error":"Not Found","message":"No message available"}', false],
    [302, null, false],
    [403, '{"message":"not you"}', false],
  ];
  for (const [status, body, retryable] of cases) {
    await serving(() => new Response(body, { status, headers: { location: "/login" } }), async (url) => {
      const error = await failingToLoad({ url, timeout: retryable ? "200 millis" : "10 seconds" });
      assert.equal(error.retryable, retryable, `${status} ${body}: ${error.message}`);
    });
  }
});

withRegistry("a wrong password is an error that no restart heals, and appears nowhere", async (url) => {
  const id = await register(url, "guarded-value", rideAvro);
  const right = `Basic ${btoa("weir:right")}`;
  const guard = async (request: Request): Promise<Response> => {
    const given = request.headers.get("authorization");
    if (given !== right) {
      return Response.json({ message: `who is ${given}, ${atob(given!.slice(6))}?` }, { status: 401 });
    }
    const answer = await fetch(url + new URL(request.url).pathname, { headers: { accept: "application/json" } });
    return new Response(await answer.text(), { status: answer.status });
  };
  await serving(guard, async (guarded) => {
    const auth = (password: string) => ({ username: "weir", password: Redacted.make(password) });
    const inUrl = (password: string): string => guarded.replace("http://", `http://weir:${password}@`);
    for (const options of [{ url: guarded, auth: auth("right") }, { url: inUrl("ri%67ht") }]) {
      assert.deepEqual(await decodeOne(await open(rides(options)), framed(id, rideBytes)), ride);
    }
    for (const options of [{ url: guarded, auth: auth("hunter2") }, { url: inUrl("hunter2") }]) {
      const error = await failingToLoad(options);
      assert.equal(error.retryable, false);
      assert.match(error.message, /must let us in: current value is "HTTP 401"$/);
      const registry = schemaRegistry(options);
      const format = avro({ registry, schema: Ride });
      const opening = await failingToOpen(format, "guarded");
      const shown = [error, opening, registry, format, await open(format)].flatMap((value) => [
        String(value),
        JSON.stringify(value),
        Deno.inspect(value, { depth: 20, showHidden: true }),
      ]);
      for (const text of [...shown, error.stack!, opening.stack!]) {
        assert.doesNotMatch(text, /hunter2/);
        assert.ok(!text.includes(btoa("weir:hunter2")));
      }
    }
  });
});

Deno.test("a registry must be described by what makes sense, and no error of it shows a secret", () => {
  const wrong: ReadonlyArray<readonly [SchemaRegistryOptions, RegExp]> = [
    [{ url: "weir:hunter2@registry" }, /must begin with http:\/\/ or https:\/\/: current value is "weir:"$/],
    [
      { url: "//weir:hunter2@registry" },
      /must be a URL such as http:\/\/127.0.0.1:8081: current value is another text$/,
    ],
    [{ url: "http://registry?key=hunter2" }, /must end with its path: /],
    [{ url: "http://weir:hunter2@registry", auth: { username: "weir", password: Redacted.make("") } }, /must say once/],
    [
      { url: "http://registry", auth: { username: "weir", password: "hunter2" as never } },
      /must be Redacted: .* string$/,
    ],
    [{ url: "http://registry", timeout: 0 }, /timeout must be finite and at least 1 millisecond/],
    [{ url: "http://registry", schemasMax: 0.5 }, /schemasMax must be a whole number above 0: current value is 0.5$/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(() => schemaRegistry(options), (error: Error) => {
      assert.ok(error instanceof RangeError);
      assert.match(error.message, message);
      assert.doesNotMatch(Deno.inspect(error), /hunter2/);
      return true;
    });
  }
  assert.equal(schemaRegistry({ url: "http://weir:hunter2@registry:8081/api/" }).url, "http://registry:8081/api");
  assert.throws(
    () => avro({ registry: { url: "http://registry" }, schema: Ride }),
    /must come from Kafka.schemaRegistry/,
  );
  const registry = schemaRegistry({ url: "http://registry" });
  assert.throws(
    () => avro({ registry, schema: Ride, register: true }),
    /Cannot register a schema as avro must be given/,
  );
});
