import sqlite3
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import BackendUnavailable, OwnerLost
from djutils.queue.message import Batch, DeadLetter, Delivery, Stats

TABLES = (
    """CREATE TABLE IF NOT EXISTS message (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT, id TEXT, data BLOB, priority INTEGER, due REAL, owner INTEGER, died REAL,
        error TEXT DEFAULT '', attempts INTEGER DEFAULT 0, crashes INTEGER DEFAULT 0,
        redeliveries INTEGER DEFAULT 0, offers INTEGER DEFAULT 0, UNIQUE (queue, id))""",
    "CREATE TABLE IF NOT EXISTS worker (queue TEXT, owner INTEGER, beats INTEGER, PRIMARY KEY (queue, owner))",
    "CREATE TABLE IF NOT EXISTS used (queue TEXT, key TEXT, moment REAL, PRIMARY KEY (queue, key))",
    "CREATE INDEX IF NOT EXISTS turn ON message (queue, owner, died, priority DESC, number)",
)
DELIVERY = "id, data, attempts, crashes, redeliveries, error, offers"
LETTER = "id, data, error, died, attempts, crashes, redeliveries"


class LendingFileQueue(LeasedQueue):  # QUEUE_CONNECTION is the name of a file
    def send(self, envelopes):
        with self._transaction() as sql:
            self._insert(sql, envelopes)

    def send_once(self, key, envelope):
        with self._transaction() as sql:
            sql("DELETE FROM used WHERE moment < ?", time.time() - 24 * 3600)
            new = sql("INSERT OR IGNORE INTO used VALUES (?, ?, ?)", self.name, key, time.time()).rowcount
            self._insert(sql, [envelope] if new else [])
            return bool(new)

    def _insert(self, sql, envelopes):
        insert = "INSERT OR IGNORE INTO message (queue, id, data, due, priority) VALUES (?, ?, ?, ?, ?)"
        for id, data, delay, priority in envelopes:
            sql(insert, self.name, id, data, time.time() + delay, priority)

    def enroll(self, owner):
        with self._transaction() as sql:
            sql("INSERT OR IGNORE INTO worker VALUES (?, ?, 0)", self.name, owner)

    def beat(self, owners):
        advance = "UPDATE worker SET beats = beats + 1 WHERE queue = ? AND owner = ?"
        with self._transaction() as sql:
            return {owner for owner in set(owners) if sql(advance, self.name, owner).rowcount}

    def owners(self):
        with self._transaction() as sql:
            return dict(sql("SELECT owner, beats FROM worker WHERE queue = ?", self.name))

    def reap(self, owner, beats=None, running=None):
        mine = "WHERE queue = ? AND owner = ?"
        with self._transaction() as sql:
            seen = dict(sql(f"SELECT owner, beats FROM worker {mine}", self.name, owner))
            if beats is not None and seen.get(owner) != beats:
                return 0
            sql(f"DELETE FROM worker {mine}", self.name, owner)
            if running is None:
                sql(f"UPDATE message SET redeliveries = redeliveries + 1 {mine}", self.name, owner)
            crash = f"UPDATE message SET crashes = crashes + 1, error = ? {mine} AND id = ?"
            for id, reason in (running or {}).items():
                sql(crash, _text(reason), self.name, owner, id)
            return sql(f"UPDATE message SET owner = NULL {mine}", self.name, owner).rowcount

    def receive(self, owner, count, done=(), wait=0.0):
        ack = "DELETE FROM message WHERE queue = ? AND owner = ? AND id = ?"
        waits = "queue = ? AND owner IS NULL AND died IS NULL AND due <= ?"
        first = f"SELECT * FROM message WHERE {waits} ORDER BY priority DESC, number LIMIT ?"
        oldest = f"SELECT * FROM message WHERE {waits} ORDER BY number LIMIT ?"
        by_age = self.turns.by_age(count)
        with self._transaction() as sql:
            if not sql("SELECT 1 FROM worker WHERE queue = ? AND owner = ?", self.name, owner).fetchall():
                raise OwnerLost
            late = frozenset(id for id in set(done) if not sql(ack, self.name, owner, id).rowcount)
            lent = []
            for chosen, most in ((first, count - by_age), (oldest, by_age)):
                in_order = f"SELECT {DELIVERY} FROM ({chosen}) ORDER BY priority DESC, number"
                for row in sql(in_order, self.name, time.time(), most).fetchall():
                    sql("UPDATE message SET owner = ? WHERE queue = ? AND id = ?", owner, self.name, row[0])
                    lent.append(Delivery(*row))
            self.turns.lent(len(lent))
            return Batch(lent, late)

    def adopt(self, owner, known):
        lent = f"SELECT {DELIVERY} FROM message WHERE queue = ? AND owner = ? ORDER BY priority DESC, number"
        with self._transaction() as sql:
            return [Delivery(*row) for row in sql(lent, self.name, owner) if row[0] not in known]

    def release(self, owner, ids, delay=0.0):
        return self._settle(owner, "due = ?", [(time.time() + delay, id) for id in ids])

    def retry(self, owner, retrials):
        change = "due = ?, error = ?, attempts = attempts + ?, offers = offers + ?"
        facts = [(time.time() + delay, _text(why), max(n, 0), n == 0, id) for id, delay, why, n in retrials]
        return self._settle(owner, change, facts)

    def reject(self, owner, rejections):
        facts = [(time.time(), _text(error), charge, id) for id, error, charge in rejections]
        return self._settle(owner, "died = ?, error = ?, attempts = attempts + ?", facts)

    def _settle(self, owner, change, facts):
        update = f"UPDATE message SET owner = NULL, {change} WHERE queue = ? AND id = ? AND owner = ?"
        with self._transaction() as sql:
            return {id for *values, id in facts if sql(update, *values, self.name, id, owner).rowcount}

    def flush(self):
        with self._transaction() as sql:
            sql("DELETE FROM message WHERE queue = ?", self.name)

    def stats(self):
        state = "CASE WHEN died THEN 3 WHEN owner THEN 2 WHEN due > ? THEN 1 ELSE 0 END"
        count = f"SELECT {state}, count(*) FROM message WHERE queue = ? GROUP BY 1"
        with self._transaction() as sql:
            counts = dict(sql(count, time.time(), self.name))
        return Stats(*(counts.get(number, 0) for number in range(4)))

    def dead_letters(self, ids=None, count=100):
        with self._transaction() as sql:
            return self._dead(sql, ids)[:count]

    def _dead(self, sql, ids):
        newest = f"SELECT {LETTER} FROM message WHERE queue = ? AND died IS NOT NULL ORDER BY died DESC, number DESC"
        rows = [row for row in sql(newest, self.name) if ids is None or row[0] in ids]
        return [DeadLetter(*row)._replace(died=datetime.fromtimestamp(row[3], UTC)) for row in rows]

    def replay(self, ids=None):
        reset = "died = NULL, error = '', attempts = 0, crashes = 0, redeliveries = 0, offers = 0"
        return self._change_dead(f"UPDATE message SET {reset}", ids, None)

    def discard(self, ids=None, *, before=None):
        return self._change_dead("DELETE FROM message", ids, before)

    def _change_dead(self, change, ids, before):
        with self._transaction() as sql:
            chosen = [one.id for one in self._dead(sql, ids) if before is None or one.died < before]
            return sum(sql(f"{change} WHERE queue = ? AND id = ?", self.name, id).rowcount for id in chosen)

    @contextmanager
    def _transaction(self):
        try:
            with closing(sqlite3.connect(self.connection, timeout=30, isolation_level=None)) as file:
                file.execute("BEGIN IMMEDIATE")
                for table in TABLES:
                    file.execute(table)
                yield lambda statement, *values: file.execute(statement, values)
                file.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise BackendUnavailable(f"{self.connection}: {error}") from error


def _text(error):
    return error.encode(errors="backslashreplace").decode()
