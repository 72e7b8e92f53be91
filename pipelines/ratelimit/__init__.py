"""Rate limiting: one adaptive rate per API key, in one process or shared through Redis."""
