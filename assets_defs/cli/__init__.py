"""The command `jumpcloud-inventory`: one module per command."""
