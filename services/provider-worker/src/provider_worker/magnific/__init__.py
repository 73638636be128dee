"""The adapter of Magnific, formerly Freepik: upscaling."""
