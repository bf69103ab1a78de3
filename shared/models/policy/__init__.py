"""The policy: what operators write in YAML, as values. Reading is strict, and every problem is named at once."""
