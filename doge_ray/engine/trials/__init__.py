"""What happened to each trial (``journal``, ``book``), which one a search chose (``choice``), and
whose weights stay on disk (``retention``).
"""
