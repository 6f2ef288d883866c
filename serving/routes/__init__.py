"""The routes of the service, a router a file; serving/app.py lists them."""
