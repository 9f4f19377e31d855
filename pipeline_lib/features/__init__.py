"""The frozen backbone's features: engines that compute them, and the store that keeps them."""
