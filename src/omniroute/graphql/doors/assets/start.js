// Starts GraphiQL against the address beside it. Nothing is loaded from elsewhere, and headers are not kept.
"use strict";

const endpoint = new URL("graphql", window.location.href);

function spoken(headers) {
  // WebSockets of browsers carry no headers: they go with the first message.
  return JSON.stringify({ type: "connection_init", payload: { headers } });
}

function subscribe(params, headers) {
  return {
    subscribe(observer) {
      const url = new URL(endpoint);
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      const socket = new WebSocket(url, "graphql-transport-ws");
      socket.onopen = () => socket.send(spoken(headers));
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "connection_ack") {
          socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: params }));
        } else if (message.type === "ping") {
          socket.send(JSON.stringify({ type: "pong" }));
        } else if (message.type === "next") {
          observer.next(message.payload);
        } else if (message.type === "error") {
          observer.next({ errors: message.payload });
        } else if (message.type === "complete") {
          observer.complete();
        }
      };
      socket.onclose = ({ code, reason }) => {
        if (code !== 1000) observer.error(new Error(reason || `the connection was closed (${code})`));
        observer.complete();
      };
      return { unsubscribe: () => socket.close(1000) };
    },
  };
}

function isSubscription(params, options) {
  const asked = options && options.documentAST ? options.documentAST.definitions : [];
  return asked.some(
    (one) =>
      one.kind === "OperationDefinition" &&
      one.operation === "subscription" &&
      (!params.operationName || (one.name && one.name.value === params.operationName)),
  );
}

async function fetcher(params, options) {
  const headers = (options && options.headers) || {};
  if (isSubscription(params, options)) return subscribe(params, headers);
  const answer = await fetch(endpoint, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(params),
  });
  return answer.json();
}

const welcome = `# Name yourself under "Headers", such as
#   {"Authorization": "Bearer sk_live_...",
#    "X-Hasura-Role": "auditor"}
# then read the schema again (the round arrow).

{
  __typename
}
`;

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultQuery: welcome,
    defaultHeaders: '{\n  "Authorization": "Bearer "\n}',
    defaultEditorToolsVisibility: "headers",
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
  }),
);
