"""`python -m assets_defs` is the command `jumpcloud-inventory`."""

from assets_defs.cli.main import main

if __name__ == "__main__":
    main(prog_name="jumpcloud-inventory")
