"""A model as files for other runtimes, each compared with the model before anybody gets it."""
