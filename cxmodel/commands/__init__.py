"""The commands of ``cxmodel``, one file each; ``cli`` puts them together."""
