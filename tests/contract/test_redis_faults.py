"""RedisQueue when a script fails halfway: at each call it makes, and for each missing permission."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from djutils.queue.backends import redis_rights
from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.backends.redis_client import RedisClient
from djutils.queue.backends.redis_scripts import Script
from djutils.testing.contract_faults import Failing
from tests.servers import Server

FAILS = """
local redis = (function(real)
  local left = %d
  local function counted(call)
    return function(...)
      left = left - 1
      if left == 0 then error('the test lets it fail') end
      return call(...)
    end
  end
  return setmetatable({call = counted(real.call), pcall = counted(real.pcall)}, {__index = real})
end)(redis)
"""


class FailingClient(RedisClient):
    """A client whose scripts fail at their nth call of the server."""

    def __init__(self, connection: str, step: int) -> None:
        super().__init__(connection)
        self.step = step

    def script(self, name: str) -> Script:
        text = FAILS % self.step + super().script(name).text
        return Script(text, hashlib.sha1(text.encode()).hexdigest())


@contextmanager
def served_by(queue: RedisQueue, client: RedisClient) -> Iterator[None]:
    usual, queue.server = queue.server, client
    yield
    queue.server = usual
    client.close()


class EachCall(Failing):
    url: str

    def make_queue(self, name: str = "contract") -> RedisQueue:
        return RedisQueue(name, self.url)

    @contextmanager
    def failing(self, queue: RedisQueue, step: int) -> Iterator[None]:
        with served_by(queue, FailingClient(self.url, step)):
            yield


class TestEachCallOfRedis(EachCall):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: Server) -> None:
        self.url = redis_server.url


@pytest.mark.slow
class TestEachCallOfValkey(EachCall):
    @pytest.fixture(autouse=True)
    def server(self, valkey_server: Server) -> None:
        self.url = valkey_server.url


class EachRight(EachCall):
    """The server withholds one command after the other from a user that needs them all."""

    last_step = len(redis_rights.TRIALS)

    @contextmanager
    def failing(self, queue: RedisQueue, step: int) -> Iterator[None]:
        right = redis_rights.TRIALS[step - 1].split()[0]
        user = f"no-{right}"
        with redis.Redis.from_url(self.url) as admin:
            commands = ["+@all", f"-{right}"]
            admin.acl_setuser(user, enabled=True, passwords=["+word"], keys=["{djq:*"], commands=commands)
            with served_by(queue, RedisClient(self.url.replace("://", f"://{user}:word@"))):
                yield
            admin.acl_deluser(user)


@pytest.mark.slow
class TestEachRightOfRedis(EachRight):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: Server) -> None:
        self.url = redis_server.url
