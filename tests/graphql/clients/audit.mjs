// The audit of GraphQL over HTTP: every MUST, SHOULD and MAY as one JSON line each.
// node audit.mjs ADDRESS AUTHORIZATION
import { serverAudits } from "graphql-http";

const [url, authorization] = process.argv.slice(2);
const audits = serverAudits({
  url,
  fetchFn: (address, init) => fetch(address, { ...init, headers: { ...init?.headers, authorization } }),
});
for (const audit of audits) {
  const { status, id, name, reason, response } = await audit.fn();
  const answer = response && { status: response.status, body: await response.clone().text().catch(() => "") };
  console.log(JSON.stringify({ id, name, status, reason, answer }));
}
