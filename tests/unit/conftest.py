"""What all tests share: property tests have no deadline, because no timing is asserted on a machine that others use."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
