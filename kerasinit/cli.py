"""The command line: parses, calls one room, prints."""


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    raise SystemExit(f"kerasinit: not built yet. Received: {argv!r}")
