// graphql-ws, the client of graphql-transport-ws: a live query, a stream, a mutation, and what is refused.
// node sockets.mjs ADDRESS AUTHORIZATION
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, authorization] = process.argv.slice(2);
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { headers: { Authorization: authorization } },
});
const say = (what, value) => console.log(JSON.stringify([what, value]));
const first = async (query) => (await client.iterate({ query }).next()).value.data;

let results = 0;
for await (const { data } of client.iterate({ query: "subscription { notes(order_by: {id: asc}) { id body } }" })) {
  say("live", data);
  results += 1;
  if (results === 1) {
    say("mutation", await first('mutation { insert_notes_one(object: {id: 1, body: "one"}) { id } }'));
  } else {
    break;
  }
}

const rows = [];
const document = "subscription { notes_stream(cursor: {initial_value: {id: 0}}, batch_size: 1) { id } }";
for await (const { data } of client.iterate({ query: document })) {
  rows.push(...data.notes_stream.map((row) => row.id));
  if (rows.length === 1) await first('mutation { insert_notes_one(object: {id: 2, body: "two"}) { id } }');
  if (rows.length === 2) break;
}
say("stream", rows);

try {
  await first("subscription { nope }");
} catch (errors) {
  say("refused", errors[0].message);
}
await client.dispose();

const stranger = createClient({
  url,
  webSocketImpl: WebSocket,
  retryAttempts: 0,
  connectionParams: { headers: { Authorization: "Bearer nobody" } },
});
try {
  await stranger.iterate({ query: "{ __typename }" }).next();
} catch (event) {
  say("closed", event.code);
}
await stranger.dispose();
