"""A network on a window as a small exact network of the units that cut there."""
