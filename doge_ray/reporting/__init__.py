"""Records to tables and pictures. Pure functions: what they read was given to them."""
