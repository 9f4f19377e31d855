"""What more photographs of a class would gain, as measured on those that are there."""
