"""A stretch of records as a table: the unit of readers and of sealing."""
