"""Systems that we do not own: Graph, Defender for Endpoint, its download hosts, and chat."""
