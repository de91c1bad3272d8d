// subscriptions-transport-ws, the older client with the sub-protocol graphql-ws: a live query until it is stopped.
// node legacy.mjs ADDRESS AUTHORIZATION
import { SubscriptionClient } from "subscriptions-transport-ws";
import WebSocket from "ws";

const [url, authorization] = process.argv.slice(2);
const params = { headers: { Authorization: authorization } };
const client = new SubscriptionClient(url, { connectionParams: params, reconnect: false }, WebSocket);
const say = (what, value) => console.log(JSON.stringify([what, value]));
const once = (query) =>
  new Promise((resolve, reject) => {
    client.request({ query }).subscribe({ next: resolve, error: reject });
  });

let done;
await new Promise((resolve, reject) => {
  let results = 0;
  const live = client.request({ query: "subscription { notes(order_by: {id: asc}) { id } }" }).subscribe({
    next: ({ data }) => {
      say("live", data);
      results += 1;
      if (results === 1) {
        done = once("mutation { insert_notes_one(object: {id: 3}) { id } }");
      } else {
        live.unsubscribe();
        resolve();
      }
    },
    error: reject,
  });
});
say("mutation", (await done).data);
say("query", (await once("{ notes { id } }")).data);
client.close();
