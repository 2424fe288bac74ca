"""Laws are checked on few examples, each without a time limit: first calls integrate."""

from hypothesis import settings

settings.register_profile("theory", deadline=None, max_examples=40)
settings.load_profile("theory")
