"""What to ask, and how to read the answer: one file a task.

A task knows wordings, readers and the shape of results. It knows no engine, no file and no torch.
"""
