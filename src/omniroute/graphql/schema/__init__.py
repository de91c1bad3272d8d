"""The GraphQL schema of one role, with Hasura's names. What the role may not see is not in it."""
