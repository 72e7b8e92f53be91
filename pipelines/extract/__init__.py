"""JumpCloud's REST API, read only: session, paging, the declared endpoints, the pull."""
