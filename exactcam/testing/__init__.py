"""What tests of exactcam, and of other engines, are made of."""
