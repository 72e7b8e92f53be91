"""The command `jumpcloud-inventory`."""
