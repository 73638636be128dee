"""Detection of people, faces, poses and subjects, by models from packages."""
