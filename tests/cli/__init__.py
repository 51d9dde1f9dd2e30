"""The operator's command against a real server: its API over HTTP on SQLite, with agents that only beat."""
