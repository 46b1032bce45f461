from hypothesis import settings

# First calls import and compile; how long one takes says nothing about the maths.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
