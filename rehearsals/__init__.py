"""The cluster files, tried on one machine without a cloud: by hand, not by the tests."""
