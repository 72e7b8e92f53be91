"""Questions that an inventory answers of itself: a view each, in schema `findings` of the file."""
