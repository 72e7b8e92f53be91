"""Settings and credentials: the settings file and the environment."""
