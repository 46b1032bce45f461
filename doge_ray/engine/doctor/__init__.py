"""What is wrong with a cluster: ``facts`` of every node, their ``inspection``, and the driver's
round of all of them, the ``checkup``.
"""
