// Queries with urql, by POST and by GET.
// node urql.mjs ADDRESS AUTHORIZATION
import { Client, fetchExchange, gql } from "@urql/core";

const [url, authorization] = process.argv.slice(2);
const One = gql`
  query One($id: bigint!) {
    payment(id: $id) {
      id
      merchant {
        name
      }
    }
  }
`;
const Wrong = gql`
  {
    nothing
  }
`;

for (const preferGetMethod of [false, "force"]) {
  const client = new Client({
    url,
    exchanges: [fetchExchange],
    fetchOptions: { headers: { authorization } },
    preferGetMethod,
  });
  const good = await client.query(One, { id: 1 });
  const bad = await client.query(Wrong, {});
  console.log(JSON.stringify({ data: good.data, error: good.error?.message ?? null }));
  console.log(JSON.stringify(bad.error.graphQLErrors.map((one) => [one.message, one.extensions.code])));
}
