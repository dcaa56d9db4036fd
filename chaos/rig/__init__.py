"""What scenarios are played on: a statnive node with everything around it that can be broken, and put right."""
