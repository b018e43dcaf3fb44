"""What an arc costs, before it is built and after, and how a search keeps to a budget."""
