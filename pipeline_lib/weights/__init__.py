"""Makes a backbone from pretrained weights; never imported by what only loads one."""
