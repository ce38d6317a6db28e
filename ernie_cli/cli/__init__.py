"""The commands: one file each, the options they share, and the only printer."""

import gc

# While modules load there is no garbage, only much to look through in vain: a tenth of the time to `--help`. Collection
# begins again when a command does (`app.guarded`).
gc.disable()
