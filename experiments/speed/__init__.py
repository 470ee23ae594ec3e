"""How fast everything is: what is measured, how, and what the machine could do."""
