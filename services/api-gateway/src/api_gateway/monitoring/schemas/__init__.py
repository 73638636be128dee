"""Response schemas of the dashboard."""
