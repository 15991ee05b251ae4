"""What the database answers instead of a result. The texts are ours: never a driver's, which may hold a URL or a row's values."""


class StorageError(Exception):
    """The database cannot be used now: down, locked, full, read-only. Trying again later may help."""


class SchemaMismatch(StorageError):
    """The database's tables are older or newer than this program; the text names the command that helps."""


class StorageConflict(Exception):
    """What is asked contradicts what is there: a name that is taken, an old version, a key used for something else."""


class StorageMissing(StorageConflict):
    """What is asked needs a row that is not there."""
