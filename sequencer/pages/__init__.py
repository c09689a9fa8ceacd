"""Pages that stand alone: one HTML file, which loads nothing from anywhere and runs no script."""
