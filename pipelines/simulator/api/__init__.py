"""The web server: JumpCloud's API with its quirks, and faults on demand."""
