"""Every data set that can be named can be loaded."""

import pkgutil
from inspect import signature
from typing import get_type_hints

import pytest

from doge_ray.config.data import DATA_SETS
from doge_ray.domains.corpus import Corpus


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_section_names_the_function_that_loads_it(name):
    load = pkgutil.resolve_name(DATA_SETS[name].loader)
    hints = get_type_hints(load)
    assert [hints[parameter] for parameter in signature(load).parameters] == [DATA_SETS[name]]
    assert hints["return"] is Corpus
