"""One package per outside party. Each fulfils a port, speaks one protocol, and knows nothing of payments or books."""
