"""The transformers side: what a head and an FFN block are inside a stock encoder.

Reading order: ``families`` (where each architecture keeps its units), ``gates`` (ξ and ν of the
paper's section 3.2 and their exact gradients), ``surgery`` (a physically smaller network, its
units recorded by ``masks``), ``folders`` (saving and loading it), ``locate`` (from a model's name
to its folder), ``initial`` (the network at θ0), ``tokenizer``. ``stock`` is the one place where
transformers itself reads weights.
"""
