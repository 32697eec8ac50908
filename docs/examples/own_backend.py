import sqlite3
from contextlib import closing

from djutils.queue.backends.base import BaseQueue


class FileQueue(BaseQueue):  # QUEUE_CONNECTION is the name of a file
    def write(self, data):
        self._sql("INSERT INTO line VALUES (?, ?)", self.name, data)

    def read(self):
        oldest = "SELECT min(rowid) FROM line WHERE queue = ?"
        rows = self._sql(f"DELETE FROM line WHERE rowid = ({oldest}) RETURNING data", self.name)
        return rows[0][0] if rows else None

    def flush(self):
        self._sql("DELETE FROM line WHERE queue = ?", self.name)

    def __len__(self):
        return self._sql("SELECT count(*) FROM line WHERE queue = ?", self.name)[0][0]

    def _sql(self, statement, *values):
        with closing(sqlite3.connect(self.connection, timeout=30)) as file, file:
            file.execute("CREATE TABLE IF NOT EXISTS line (queue TEXT, data BLOB)")
            return file.execute(statement, values).fetchall()
