"""What is in a picture: people, faces, poses and subjects, by models that ship in packages."""
