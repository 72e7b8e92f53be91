"""A deployment on one machine: services, a daemon, and workers."""
