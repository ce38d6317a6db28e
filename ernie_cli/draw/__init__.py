"""Pictures of what was found. Pillow and matplotlib in, images or strings out; nothing here prints or opens a file."""
