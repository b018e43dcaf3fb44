"""One HTML page that shows runs, finished or not."""
