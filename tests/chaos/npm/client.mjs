// What the official client sees of the node: `node client.mjs URL DATABASE` prints one JSON object, each check's outcome.
import { createClient } from "@clickhouse/client";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";

const [url, database] = process.argv.slice(2);
const quiet = { level: 127 };
const client = createClient({ url, log: quiet });
const compressing = createClient({ url, database, log: quiet, compression: { request: true, response: true } });
const seen = {};

async function failure(promise) {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return { code: error.code, type: error.type, message: error.message };
  }
}

const rows = async (query, more = {}) =>
  (await client.query({ query, format: "JSONEachRow", ...more })).json();

seen.ping = await client.ping();
seen.ping_by_select = await client.ping({ select: true });

await client.command({ query: `CREATE DATABASE ${database} ENGINE = Atomic` });
await client.command({
  query: `CREATE TABLE ${database}.t (n UInt32, s String) ENGINE = MergeTree ORDER BY n
          SETTINGS non_replicated_deduplication_window = 100`,
});

const answer = await client.query({
  query: "SELECT {text:String} AS text, {list:Array(UInt8)} AS list, {day:Date} AS day, getSetting('max_threads') AS threads",
  query_params: { text: "it's\ta \\ {test}", list: [1, 2], day: "2026-11-01" },
  clickhouse_settings: { max_threads: 3 },
  query_id: "by-hand",
  format: "JSON",
});
seen.query_id = answer.query_id;
seen.headers = Object.fromEntries(
  Object.entries(answer.response_headers).filter(([name]) => name.startsWith("x-clickhouse") || name === "content-type"),
);
seen.json = (await answer.json()).data;
seen.long_parameters = await rows("SELECT length({long:String}) AS length", {
  query_params: { long: "x".repeat(20_000) },
  use_multipart_params: true,
});

const insert = { table: `${database}.t`, format: "JSONEachRow" };
const token = { insert_deduplication_token: "a", async_insert: 0 };
for (let attempt = 0; attempt < 2; attempt++) {
  const done = await client.insert({ ...insert, values: [{ n: 1, s: "one" }, { n: 2, s: "two" }], clickhouse_settings: token });
  seen.written_rows = done.summary.written_rows;
}
await compressing.insert({ ...insert, values: Readable.from([{ n: 3, s: "three" }, { n: 4, s: "four" }]) });

const binary = (format, bytes) =>
  client.exec({ query: `INSERT INTO ${database}.t (n, s) FORMAT ${format}`, values: Readable.from([bytes], { objectMode: false }) });
await text((await binary("RowBinary", Buffer.from([5, 0, 0, 0, 3, 0xff, 0x0a, 0x27]))).stream);
await text((await binary("MsgPack", Buffer.from([6, 0xa1, 0x78]))).stream);

const compressed = await compressing.query({ query: `SELECT n, hex(s) AS s FROM t ORDER BY n`, format: "JSONEachRow" });
seen.content_encoding = compressed.response_headers["content-encoding"];
seen.rows = [];
for await (const part of compressed.stream()) for (const row of part) seen.rows.push(Object.values(row.json()));

seen.errors = {
  syntax: await failure(rows("selec 1")),
  table: await failure(rows("SELECT * FROM nowhere")),
  setting: await failure(rows("SELECT 1", { clickhouse_settings: { no_such_setting: 1 } })),
  bytes: await failure(binary("MsgPack", Buffer.from([0xc1]))),
  session: await failure(rows("SELECT 1", { session_id: "s" })),
};
await client.close();
await compressing.close();
console.log(JSON.stringify(seen));
