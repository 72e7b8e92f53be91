"""The rate limiter: one rate per API key, in this process or shared through Redis."""
