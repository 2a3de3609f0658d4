"""The command line: one dataclass with `run` per command, and displays of its events."""
