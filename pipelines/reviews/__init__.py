"""Access reviews: a frozen population, its workbooks, the decisions, and what became of them."""
