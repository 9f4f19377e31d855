"""The stages of the flow lenet-mnist, one file each."""
