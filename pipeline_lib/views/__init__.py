"""Views of images, and the folder data_new."""
