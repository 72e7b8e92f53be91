"""One module for each command; related ones share a module."""
