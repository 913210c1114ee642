/** Dead letters of topics: the whole record is in them, whichever part of it was at fault, and a topic takes it as it was. */
import assert from "node:assert/strict";
import { Effect, Schema } from "effect";
import fc from "fast-check";
import { DeadLetters, Flow, Job, Sink, Source } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { memoryKv } from "../../src/testing/memory-kv.ts";
import { runToEnd } from "../support.ts";
import { clusterOf } from "./fixture.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | null): string | null => bytes === null ? null : new TextDecoder().decode(bytes);
const bytes = Kafka.nullable(Kafka.bytes());

/** Keys are numbers, values are objects with a number, and a header says a number. */
const strict = {
  key: Kafka.string(Schema.FiniteFromString),
  value: Kafka.json(Schema.Struct({ n: Schema.Number })),
  headers: Schema.Struct({ trace: Schema.FiniteFromString }),
};

/** What is not of the record itself. */
const ownNames = ["source", "split", "offset", "timestamp", "operator", "reason", "form"].map((name) => `weir.${name}`);

/** A job that writes down the offsets that it reads, and sends what it cannot decode to topic "dead". */
const copying = (broker: Kafka.MemoryBroker) => {
  const cluster = clusterOf(broker);
  const out = Sink.memory<string>("out");
  const source = Kafka.source("in", { cluster, topics: "a", bounded: true, ...strict });
  const dead = Kafka.sink("dead", { cluster, topic: "dead", key: bytes, value: bytes });
  const flow = Flow.from(source).pipe(
    Flow.onError((letters) => letters.pipe(Flow.map(Kafka.deadLetter), Flow.to(dead))),
    Flow.map(({ partition, offset }) => `a-${partition} ${offset}`),
    Flow.to(out),
  );
  return { out, job: Job.make({ name: "copy", guarantee: "exactly-once", flows: [flow] }) };
};

/** A record of the dead-letter topic: the one that it was, and what was said of it. */
const opened = ({ key, value, headers }: Kafka.StoredRecord) => {
  const said = new Map(headers.slice(-ownNames.length).map(([name, value]) => [name, text(value)]));
  assert.deepEqual([...said.keys()], ownNames);
  return {
    record: plain({ key, value, headers: headers.slice(0, -ownNames.length) }),
    at: `${said.get("weir.split")} ${said.get("weir.offset")}`,
    timestamp: Number(said.get("weir.timestamp")),
    reason: said.get("weir.reason")!,
  };
};

/** A record in numbers, so that it does not matter what holds its bytes. */
const plain = ({ key, value, headers }: Pick<Kafka.StoredRecord, "key" | "value" | "headers">) => ({
  key: key && [...key],
  value: value && [...value],
  headers: headers.map(([name, value]) => [name, value && [...value]]),
});

const good = { key: "7", value: '{"n":7}', headers: [["trace", "7"]] } as const;

Deno.test("whichever part of a record is at fault, all of it lies in the dead-letter topic byte for byte", async () => {
  const bad: ReadonlyArray<readonly [record: Kafka.AppendedRecord, reason: RegExp]> = [
    [{ ...good, key: "seven" }, /^key at offset 0 does not match the schema/],
    [{ ...good, key: Uint8Array.of(0xff, 0, 0xfe) }, /^key at offset 1 is not UTF-8/],
    [{ ...good, key: null }, /^key at offset 2 is null/],
    [{ ...good, value: '{"n":' }, /^value at offset 3 is not JSON/],
    [{ ...good, value: Uint8Array.of(0x22, 0xff, 0x22) }, /^value at offset 4 is not UTF-8/],
    [{ ...good, value: null }, /^value at offset 5 is null/],
    [{ ...good, value: "" }, /^value at offset 6 is not JSON/],
    [{ ...good, headers: [] }, /^headers at offset 7 does not match the schema/],
    [{ ...good, headers: [["trace", "x"], ["trace", null], ["", ""], ["__proto__", Uint8Array.of(1)]] }, /^headers at/],
    [{ ...good, headers: [["trace", "1"], ["b", Uint8Array.of(0xff)]] }, /^headers at offset 9 are not UTF-8: "b"/],
    [{ key: null, value: null }, /^value at offset 10 is null/],
  ];
  const broker = Kafka.memoryBroker({ topics: { a: 1, dead: 3 } });
  bad.forEach(([record], n) => broker.append("a", 0, { ...record, timestamp: 1_000 + n }));
  broker.append("a", 0, good);
  const { job, out } = copying(broker);
  await runToEnd(job, { kv: memoryKv(), epochRecordsMax: 5 });
  assert.deepEqual(out.values(), [`a-0 ${bad.length}`]);
  const found = new Map(broker.records("dead").map(opened).map((one) => [one.at, one]));
  assert.equal(found.size, bad.length);
  for (const { offset, timestamp, ...record } of broker.records("a").slice(0, bad.length)) {
    const letter = found.get(`a-0 ${offset}`)!;
    assert.deepEqual([letter.record, letter.timestamp], [plain(record), timestamp]);
    assert.match(letter.reason, bad[offset][1]);
  }
});

const someBytes = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("7", '{"n":7}', "", "x").map(utf8) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.constant(null) },
);
const someHeaders = fc.oneof(
  fc.constant(good.headers),
  fc.array(fc.tuple(fc.constantFrom("trace", "a", "", "weir.offset"), someBytes), { maxLength: 4 }),
);
const someRecord = fc.record({ key: someBytes, value: someBytes, headers: someHeaders });

Deno.test("whatever lies in a topic, each record is read or lies in the dead-letter topic as it was, once over crashes", async () => {
  let refused = 0;
  let read = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.constant(good), someRecord), { minLength: 1, maxLength: 30 }),
      fc.nat(20),
      async (records, crashAt) => {
        const broker = Kafka.memoryBroker({ topics: { a: 2, dead: 2 } });
        records.forEach((record, n) => broker.append("a", n % 2, { ...record, timestamp: n }));
        const { job, out } = copying(broker);
        const kv = memoryKv();
        kv.onCommit((commit) => commit === crashAt ? "crash-after" : "ok");
        await runToEnd(job, { kv, epochRecordsMax: 7 });
        const letters = broker.records("dead").map(opened);
        const all = broker.records("a").map((record) => ({
          at: `a-${record.partition} ${record.offset}`,
          record: plain(record),
          timestamp: record.timestamp,
        }));
        assert.deepEqual(
          [...out.values(), ...letters.map(({ at }) => at)].toSorted(),
          all.map(({ at }) => at).toSorted(),
        );
        const byPlace = new Map(all.map((one) => [one.at, one]));
        for (const { reason: _, ...letter } of letters) assert.deepEqual(letter, byPlace.get(letter.at));
        refused += letters.length;
        read += out.values().length;
      },
    ),
    { numRuns: 60 },
  );
  assert.ok(refused > 100 && read > 100, `${refused} were refused, and ${read} were read`);
});

/** The letters of a topic of such records. */
const lettersOf = async (records: ReadonlyArray<Kafka.AppendedRecord>) => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  for (const record of records) broker.append("a", 0, record);
  const dead = Sink.memory<Flow.DeadLetter<Source.DecodeError>>("dead");
  const source = Kafka.source("in", { cluster: clusterOf(broker), topics: "a", bounded: true, ...strict });
  const flow = Flow.from(source).pipe(Flow.onError(dead), Flow.to(Sink.memory("out")));
  await runToEnd(Job.make({ name: "copy", guarantee: "exactly-once", flows: [flow] }), { kv: memoryKv() });
  return dead.values();
};

Deno.test("a record that is too large for a letter is cut, and the letter says what of", async () => {
  const large = Uint8Array.from({ length: 70_000 }, (_, at) => at % 251);
  const letters = await lettersOf([
    { ...good, value: large },
    { ...good, key: large },
    { ...good, key: large, value: large },
    { ...good, headers: [["first", large], ["trace", "x"]] },
  ]);
  const half = Source.rejectedBytesMax / 2;
  const trace = [["trace", [...utf8("7")]]];
  // A header counts with 32 bytes, and three for each character of its name.
  const ofHeader = 32 + 3 * "trace".length + 1;
  const expected = [
    { reason: "value", raw: Source.rejectedBytesMax - 1 - ofHeader, of: 70_000, key: 1, ofKey: 1, headers: trace },
    {
      reason: "key",
      raw: good.value.length,
      of: good.value.length,
      key: Source.rejectedBytesMax - good.value.length,
      ofKey: 70_000,
      headers: [],
    },
    { reason: "value", raw: half, of: 70_000, key: half, ofKey: 70_000, headers: [] },
    {
      reason: "headers",
      raw: good.value.length,
      of: good.value.length,
      key: 1,
      ofKey: 1,
      headers: [["trace", [...utf8("x")]]],
    },
  ];
  assert.deepEqual(
    letters.map(({ reason, raw, rawLength, key, keyLength, headers }) => ({
      reason: reason.split(" ")[0],
      raw: raw.length,
      of: rawLength,
      key: key!.length,
      ofKey: keyLength,
      headers: headers.map(([name, value]) => [name, value && [...value]]),
    })),
    expected,
  );
  assert.deepEqual(letters.map(({ headerCount }) => headerCount), [1, 1, 1, 2]);
  for (const { raw, key } of letters) {
    if (raw.length > 100) assert.deepEqual(new Uint8Array(raw), large.slice(0, raw.length));
    if (key!.length > 100) assert.deepEqual(new Uint8Array(key!), large.slice(0, key!.length));
  }
});

Deno.test("what stands for a record holds its own bytes alone, and not those of the answer that it lay in", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  const answer = new Uint8Array(1_000_000).fill(0xff);
  const part = answer.subarray(100, 110);
  broker.append("a", 0, { key: part, value: part, headers: [["h", part]] });
  const source = Kafka.source("in", { cluster: clusterOf(broker), topics: "a", bounded: true, ...strict });
  const dead: Array<number> = [];
  const flow = Flow.from(source).pipe(
    Flow.onError((letters) =>
      letters.pipe(
        Flow.map(({ raw, key, headers }) => {
          for (const one of [raw, key!, headers[0][1]!]) dead.push(one.buffer.byteLength);
        }),
        Flow.to(Sink.memory("dead")),
      )
    ),
    Flow.to(Sink.memory("out")),
  );
  await runToEnd(Job.make({ name: "copy", guarantee: "exactly-once", flows: [flow] }), { kv: memoryKv() });
  assert.deepEqual(dead, [10, 10, 10]);
});

Deno.test("a record whose key and headers are bytes, and at which a function throws, is kept as JSON and retried", async () => {
  const broker = Kafka.memoryBroker({ topics: { a: 1 } });
  const trace = Uint8Array.of(0xfe, 0xff);
  broker.append("a", 0, { key: Uint8Array.of(1, 0xff), value: '{"n":1}', timestamp: 5, headers: [["trace", trace]] });
  broker.append("a", 0, { key: null, value: '{"n":2}', timestamp: 6, headers: [["trace", null]] });
  const path = "dead.kv";
  const kv = memoryKv();
  const out = Sink.memory<unknown>("out");
  const Record = Schema.Struct({
    topic: Schema.String,
    partition: Schema.Number,
    offset: Schema.Number,
    timestamp: Schema.Number,
    key: Schema.NullOr(Schema.Uint8ArrayFromBase64),
    value: Schema.Struct({ n: Schema.Number }),
    headers: Schema.Array(Schema.Tuple([Schema.String, Schema.NullOr(Schema.Uint8ArrayFromBase64)])),
  });
  const job = (isBroken: boolean) => {
    const source = Kafka.source("in", { cluster: clusterOf(broker), topics: "a", value: strict.value });
    const flow = Flow.from(source).pipe(
      Flow.merge(Flow.from(Source.retries("retries", { path, kv, schema: Record }))),
      Flow.map(({ topic, partition, offset, timestamp, key, value, headers }) => {
        if (isBroken) throw new Error("is not done yet");
        return { at: `${topic}-${partition} ${offset}`, ...plain({ key, value: null, headers }), value, timestamp };
      }),
      Flow.onError(Sink.deadLetters("dead", { path, kv }), { defects: true }),
      Flow.to(out),
    );
    return Job.make({ name: "copy", guarantee: "exactly-once", flows: [flow] });
  };
  await runToEnd(job(true), { kv, mode: "available-now" });
  const letters = await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const dead = yield* DeadLetters.open(path, { kv });
    const { letters } = yield* dead.list();
    yield* dead.retry({});
    return letters;
  })));
  assert.deepEqual(letters.map(({ raw, rawForm, obstacle }) => [JSON.parse(text(raw)!), rawForm, obstacle]), [
    [
      {
        topic: "a",
        partition: 0,
        offset: 0,
        timestamp: 5,
        key: "Af8=",
        value: { n: 1 },
        headers: [["trace", "/v8="]],
      },
      "json",
      null,
    ],
    [
      { topic: "a", partition: 0, offset: 1, timestamp: 6, key: null, value: { n: 2 }, headers: [["trace", null]] },
      "json",
      null,
    ],
  ]);
  for (const { key, headers, offset, timestamp } of letters) {
    assert.deepEqual([key, headers, offset, timestamp], [null, [], null, null]);
  }
  await runToEnd(job(false), { kv, mode: "available-now" });
  assert.deepEqual(out.values(), [
    { at: "a-0 0", key: [1, 0xff], value: { n: 1 }, headers: [["trace", [0xfe, 0xff]]], timestamp: 5 },
    { at: "a-0 1", key: null, value: { n: 2 }, headers: [["trace", null]], timestamp: 6 },
  ]);
});
