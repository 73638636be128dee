"""Events about tasks, trainings and workflows."""
