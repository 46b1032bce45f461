"""The paper's figures and ours, each a pure function from records to a matplotlib ``Figure``.

``gallery`` lists them with their captions; ``style`` is what they share. A figure whose data are
not there raises ``NotDrawnError`` with a sentence that says why.
"""
