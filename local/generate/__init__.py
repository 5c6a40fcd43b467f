"""What is written by the code about itself: settings, state diagrams, and a check of the pinned requirements."""
