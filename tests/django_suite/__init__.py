"""Django's own tests of its tasks, run on ``DjutilsBackend``.

``python -m tests.django_suite`` takes them out of the source distribution of the Django that is installed, which it downloads from
the package index and keeps in a cache folder. Each test runs with our backend in the place of Django's, or is left out for a
reason that ``left_out.py`` gives.
"""
