"""Commands with `--server URL`: a server answers, and neither the router nor LangGraph is loaded here."""
