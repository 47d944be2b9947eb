"""A real Dify plugin daemon with this plugin in it, for checks. Standard library only; Linux."""
