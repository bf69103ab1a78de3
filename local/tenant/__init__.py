"""A simulated Defender tenant: people try their rules against it, and the tests do too."""
