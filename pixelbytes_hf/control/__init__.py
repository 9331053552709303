"""Control signals: models of linear systems, and tasks that steer them."""
