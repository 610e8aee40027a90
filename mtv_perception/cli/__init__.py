"""The `mtv` command, one module a subcommand."""
