"""PostgreSQL as a store of policies: one server that tests share, and pairs for what happens to servers."""
