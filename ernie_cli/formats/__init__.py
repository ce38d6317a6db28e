"""What was found, in the file formats of other tools: pure functions from results to text or bytes.

Nothing here prints, opens a file or knows a model.
"""
