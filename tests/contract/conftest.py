from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A failure of the model is shrunk before it is reported: that takes minutes, but only then."""
    for item in items:
        if item.name == "test_it_answers_as_the_model_does":
            item.add_marker(pytest.mark.timeout(1800))
            if item.path.name != "test_memory.py":
                item.add_marker(pytest.mark.slow)
