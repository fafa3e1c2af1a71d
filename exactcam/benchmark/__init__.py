"""`exactcam bench`: engines side by side in one run. `cases` says on what, `measure` how."""
