"""The stages of the flow garbage-finetune, one file each."""
