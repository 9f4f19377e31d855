"""Labels that are checked: which ones are suspected to be wrong, and what people decided about them."""
