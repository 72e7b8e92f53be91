"""Several machines' worth of processes on one: services, a daemon, and workers."""
