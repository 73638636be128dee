"""What has to come before work can begin: said on its record, found when that is read."""
